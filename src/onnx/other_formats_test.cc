#include "onnx/other_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "onnx/reader.h"
#include "tercel/error.h"

namespace tercel::onnx {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& bytes) {
  try {
    read_model(std::as_bytes(std::span(bytes)), nullptr);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::bad_input);
    return error.what();
  }
  return "";
}

std::string safetensors(const std::string& header, char length) {
  return std::string(1, length) + std::string(7, '\0') + header + "weights";
}

TEST(OtherFormats, AreNamedWithTheWayToOnnx) {
  EXPECT_THAT(error_of("PK\x03\x04 archive/data.pkl"), HasSubstr("torch.onnx.export"));
  EXPECT_THAT(error_of("\x80\x02}q"), HasSubstr("a Python pickle"));
  EXPECT_THAT(error_of(std::string("\x1c\0\0\0TFL3", 8)), HasSubstr("tf2onnx"));
  EXPECT_THAT(error_of("\x89HDF\r\n\x1a\n"), HasSubstr("Keras"));
  EXPECT_THAT(error_of("version https://git-lfs.github.com/spec/v1\noid"), HasSubstr("git lfs pull"));
  EXPECT_THAT(error_of("<!DOCTYPE html>"), HasSubstr("web page"));
  EXPECT_THAT(error_of("\xFF\xD8\xFF\xE0"), HasSubstr("the model comes first"));
  EXPECT_THAT(error_of(safetensors("{\"a\":{}}", 8)), HasSubstr("safetensors: weights without a network"));
}

TEST(OtherFormats, WhatIsNotKnownIsLeftToTheParser) {
  EXPECT_THAT(error_of("These are words."), HasSubstr("not an ONNX model, or cut short"));
  EXPECT_THAT(error_of(""), HasSubstr("holds no graph"));
  // A header longer than the file is no safetensors file.
  EXPECT_THAT(error_of(safetensors("{\"a\":{}}", 127)), testing::Not(HasSubstr("safetensors")));
  refuse_other_formats({});
}

}  // namespace
}  // namespace tercel::onnx
