// What a shared library of Tercel shows to the outside.
#pragma once

#define TERCEL_API __attribute__((visibility("default")))
/// Inside a class that is shown: not this part.
#define TERCEL_LOCAL __attribute__((visibility("hidden")))
