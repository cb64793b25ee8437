// Columns of a dump, and the memory behind them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dump_writer.h"

namespace leakscope {

struct DumpColumns {
  std::vector<std::shared_ptr<void>> memory;
  std::vector<Column> columns;

  template <class T>
  void add(std::string name, const char* dtype, std::vector<T>&& values) {
    auto kept = std::make_shared<std::vector<T>>(std::move(values));
    columns.push_back({std::move(name), dtype, kept->data(), kept->size()});
    memory.push_back(std::move(kept));
  }
};

}  // namespace leakscope
