// Self-contained HTML pages: no scripts, nothing from elsewhere, readable on a narrow screen.
#pragma once

#include <string>
#include <vector>

namespace tercel::cli {

std::string html_escaped(const std::string& text);

/// The first row is the heading.
std::string html_table(const std::vector<std::vector<std::string>>& rows);

/// `body` is HTML and `style` CSS; `title` is text.
std::string html_page(const std::string& title, const std::string& style, const std::string& body);

}  // namespace tercel::cli
