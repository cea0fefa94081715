#include "run_program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <new>
#include <system_error>

#include "common.h"
#include "progress.h"
#include "suggest.h"
#include "tercel/error.h"
#include "verbs.h"

namespace {

constexpr int kBadInput = 2, kInterrupted = 130;

void print_error(const char* what) {
  tercel::cli::end_progress();
  fmt::print(stderr, "error: {}\n", what);
}

int report_interrupt(const std::string& what) {
  tercel::cli::end_progress();
  fmt::print(stderr, "interrupted: {}\n", what);
  return kInterrupted;
}

/// Reports an unknown verb, also of a verb with verbs of its own, before its options are parsed (--help would hide it).
bool is_unknown_verb(const CLI::App& app, int argc, char** argv, int at = 1) {
  const std::string_view word = argc > at ? argv[at] : "-";
  if (word.starts_with("-") || app.get_subcommands({}).empty()) return false;
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) {
    verbs.push_back(verb->get_name());
    if (verb->get_name() == word) return is_unknown_verb(*verb, argc, argv, at + 1);
  }
  print_error(fmt::format("no verb '{}{}'; there are {}{}", at == 1 ? "" : app.get_name() + " ", word,
                          tercel::cli::listed(verbs), tercel::cli::did_you_mean(word, verbs))
                  .c_str());
  return true;
}

/// Refuses option values that are not exactly one number: CLI11 takes "" for 0, "-1" for 2^64 - 1 and
/// 2^64 for the largest number there is.
void check_number(CLI::Option& option) {
  const std::string type = option.get_type_name();
  const auto whole = [](const std::string& text, auto number) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && stop == end;
  };
  const auto check = [&](auto fits, const char* wanted) {
    option.check(CLI::Validator(
        [fits, wanted](std::string& text) { return fits(text) ? "" : fmt::format("'{}' is not {}", text, wanted); },
        ""));
  };
  if (type.starts_with("UINT"))
    check([=](const std::string& text) { return whole(text, uint64_t{0}); }, "a whole number from 0 to 2^64 - 1");
  else if (type.starts_with("INT"))
    check([=](const std::string& text) { return whole(text, int{0}); }, "a whole number");
  else if (type.starts_with("FLOAT")) check([=](const std::string& text) { return whole(text, 0.0); }, "a number");
}

/// Of a verb and the verbs below it.
void prepare_options(CLI::App& verb) {
  for (CLI::Option* option : verb.get_options()) {
    if (option->get_default_str() == "[]") option->default_str("");  // an empty default is not shown
    check_number(*option);
  }
  for (CLI::App* below : verb.get_subcommands({})) prepare_options(*below);
}

/// Reports an unknown option, and a similar one.
void print_unknown(const CLI::App& app) {
  const CLI::App* verb = &app;
  std::string path = "tercel";
  while (!verb->get_subcommands().empty() && verb->remaining(false).empty()) {
    verb = verb->get_subcommands().front();
    path += " " + verb->get_name();
  }
  // As people write it, without the program's name.
  const std::string name_of_verb = verb == &app ? path : path.substr(path.find(' ') + 1);
  std::vector<std::string> options;
  for (const CLI::Option* option : verb->get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
    for (const std::string& name : option->get_snames()) options.push_back("-" + name);
  }
  const std::vector<std::string> words = app.remaining(true);
  const auto option = std::find_if(words.begin(), words.end(), [](const auto& w) { return w.starts_with("-"); });
  if (option == words.end()) {
    print_error(fmt::format("{} takes no '{}'", name_of_verb, words.empty() ? "" : words.front()).c_str());
  } else {
    const std::string name = option->substr(0, option->find('='));
    print_error(
        fmt::format("{} has no option '{}'{}", name_of_verb, name, tercel::cli::did_you_mean(name, options)).c_str());
  }
  fmt::print(stderr, "options: {} --help\n", path);
}

}  // namespace

int tercel::cli::run_program(int argc, char** argv) {
  tercel::cli::install_interrupt();
  CLI::App app{
      "Tercel makes trained vision networks fast and small.\nExit status: 0 fine, 2 bad input, 130 interrupted, 1 "
      "anything else.\nTERCEL_ISA=baseline|avx2|avx512 forces an instruction set.",
      "tercel"};
  app.require_subcommand(0, 1);  // a missing verb and an unknown one are distinguished below
  app.option_defaults()->always_capture_default();
  tercel::cli::add_inspect(app);
  tercel::cli::add_classify(app);
  tercel::cli::add_run(app);
  tercel::cli::add_optimize(app);
  tercel::cli::add_compress(app);
  tercel::cli::add_decompress(app);
  tercel::cli::add_front(app);
  tercel::cli::add_quantize(app);
  tercel::cli::add_bench(app);
  tercel::cli::add_fpga(app);
  tercel::cli::add_hopfield(app);
  tercel::cli::add_data(app);
  for (CLI::App* verb : app.get_subcommands({})) prepare_options(*verb);
  const tercel::cli::VersionFlags version = tercel::cli::add_version(app);
  if (is_unknown_verb(app, argc, argv)) return kBadInput;
  try {
    app.parse(argc, argv);
    if (*version.asked) {
      tercel::cli::print_version(*version.verbose);
    } else if (app.get_subcommands().empty()) {
      fmt::print(stderr, "{}", app.help());
      return kBadInput;
    }
    if (std::fflush(stdout) != 0) throw std::system_error(errno, std::generic_category(), "standard output");
    return 0;
  } catch (const CLI::ParseError& error) {
    // A misspelt option causes other errors: --calib leaves --calibrate missing. It is reported first.
    const std::vector<std::string> unknown = app.remaining(true);
    if (!unknown.empty() && error.get_exit_code() != 0) {
      print_unknown(app);
      return kBadInput;
    }
    return app.exit(error) == 0 ? 0 : kBadInput;
  } catch (const tercel::cli::Failed& failed) {
    return failed.status;
  } catch (const tercel::cli::Interrupted& stopped) {
    return report_interrupt(stopped.what);
  } catch (const tercel::Error& error) {
    if (error.code() == tercel::ErrorCode::stopped) return report_interrupt("nothing was written");
    print_error(error.what());
    return error.code() == tercel::ErrorCode::io ? 1 : kBadInput;
  } catch (const std::bad_alloc&) {
    print_error("not enough memory");
    return 1;
  } catch (const std::exception& error) {
    print_error(error.what());
    return 1;
  }
}
