#include "cli/eval/task.h"

#include <gtest/gtest.h>

#include <set>

namespace longshore::cli::eval {
namespace {

TEST(Task, EveryNameIsRead) {
  const std::vector<std::string> names = {"text", "passkey", "needle", "kv", "induction"};
  const Result<std::vector<Task>> tasks = parse_tasks(names);
  ASSERT_TRUE(tasks);
  ASSERT_EQ(tasks->size(), names.size());
  for (std::size_t t = 0; t < names.size(); ++t) EXPECT_EQ(to_string((*tasks)[t]), names[t]);
}

TEST(Task, WhatIsNoneIsNamed) {
  EXPECT_EQ(parse_tasks({"text", "sums"}).error().message,
            "--task is 'sums'; it may be text, passkey, needle, kv or induction");
  EXPECT_EQ(parse_tasks({"kv", "text", "kv"}).error().message, "--task names kv twice");
  EXPECT_EQ(parse_tasks({}).error().code, ErrorCode::kInvalidArgument);
}

TEST(Task, DepthsGoRoundFromEndToEnd) {
  EXPECT_EQ(depth_of(0), 0);
  EXPECT_EQ(depth_of(5), 0.5);
  EXPECT_EQ(depth_of(10), 1);
  EXPECT_EQ(depth_of(11), 0);
}

TEST(Task, SamplesHaveStreamsOfTheirOwn) {
  std::set<std::uint64_t> streams;
  for (const Task task : {Task::kText, Task::kPasskey, Task::kNeedle, Task::kKv, Task::kInduction})
    for (const std::uint32_t index : {0u, 1u, 2u, UINT32_MAX}) streams.insert(random_stream(task, index));
  EXPECT_EQ(streams.size(), 20u);
}

}  // namespace
}  // namespace longshore::cli::eval
