#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "runtime/base/result.h"

namespace longshore::cli {

// Each adds its subcommand to the program; what it returns becomes the exit code.
using Run = std::function<int()>;
using AddCommand = Run (*)(CLI::App& program, CLI::App*& subcommand);

Run add_serve(CLI::App& program, CLI::App*& subcommand);
Run add_scheduler(CLI::App& program, CLI::App*& subcommand);
Run add_compute(CLI::App& program, CLI::App*& subcommand);
Run add_attention(CLI::App& program, CLI::App*& subcommand);
Run add_complete(CLI::App& program, CLI::App*& subcommand);
Run add_chat(CLI::App& program, CLI::App*& subcommand);
Run add_bench(CLI::App& program, CLI::App*& subcommand);
Run add_eval(CLI::App& program, CLI::App*& subcommand);
Run add_explain(CLI::App& program, CLI::App*& subcommand);
Run add_logits(CLI::App& program, CLI::App*& subcommand);
Run add_presets(CLI::App& program, CLI::App*& subcommand);
Run add_model(CLI::App& program, CLI::App*& subcommand);

// Prints "longshore: <error>" to stderr and returns the exit code: 2 for what the user can correct, else 1.
int fail(const Error& error);

}  // namespace longshore::cli
