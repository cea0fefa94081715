#include <tercel/tercel.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  tercel::Session session(tercel::optimize(tercel::load(argv[1])));
  for (const auto& c : session.classify(tercel::Image::open(argv[2]), 5))
    std::printf("%5.1f %%  %s\n", 100 * c.probability, c.label.c_str());
}
