#include "cli/eval/journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <limits>

#include "tests/unit/cli/eval/random_results.h"

namespace longshore::cli::eval {
namespace {

const RunIdentity kIdentity = {{"model", "abc"}, {"presets", "window heads 4+256"}, {"seed", "1"}};

class JournalTest : public testing::Test {
 protected:
  JournalTest() : path_(testing::TempDir() + "/journal-" + std::to_string(getpid()) + ".jsonl") {
    std::filesystem::remove(path_);
  }
  ~JournalTest() override { std::filesystem::remove(path_); }

  std::unique_ptr<Journal> open(std::size_t presets = 2) { return Journal::open(path_, kIdentity, presets).value(); }
  std::string refusal(const RunIdentity& identity, std::size_t presets = 2) {
    const auto opened = Journal::open(path_, identity, presets);
    return opened ? "" : opened.error().message;
  }
  void append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }

  std::string path_;
};

TEST_F(JournalTest, GivesBackEveryBit) {
  Random random(1);
  SampleResults written;
  {
    const auto journal = open();
    EXPECT_TRUE(journal->finished().empty());
    for (std::uint32_t i = 0; i < 20; ++i)
      for (const SampleResult& result : {random_window(i, 2, random), random_answer(Task::kNeedle, i, 2, random)}) {
        ASSERT_TRUE(journal->add(result));
        written[{result.task, result.index}] = result;
      }
  }
  EXPECT_EQ(open()->finished(), written);
}

TEST_F(JournalTest, InfinityComesBack) {
  Random random(1);
  SampleResult result = random_window(0, 1, random);
  result.presets[0].rows[0].kl = std::numeric_limits<double>::infinity();
  ASSERT_TRUE(open(1)->add(result));
  EXPECT_EQ(open(1)->finished().begin()->second, result);
}

TEST_F(JournalTest, ALineThatWasCutOffIsDroppedWhereverItWas) {
  Random random(2);
  {
    const auto journal = open();
    for (std::uint32_t i = 0; i < 2; ++i) ASSERT_TRUE(journal->add(random_answer(Task::kKv, i, 2, random)));
  }
  std::ifstream in(path_);
  const std::string whole(std::istreambuf_iterator<char>(in), {});
  const std::size_t first = whole.find('\n') + 1, second = whole.find('\n', first) + 1;
  for (std::size_t cut = 0; cut <= whole.size(); cut += cut < first ? 1 : 29) {
    std::ofstream(path_, std::ios::trunc) << whole.substr(0, cut);
    const std::size_t left = cut == whole.size() ? 2 : cut >= second ? 1 : 0;
    {
      const auto journal = open();
      EXPECT_EQ(journal->finished().size(), left) << "cut at " << cut;
      ASSERT_TRUE(journal->add(random_answer(Task::kPasskey, 5, 2, random)));
    }
    EXPECT_EQ(open()->finished().size(), left + 1) << "cut at " << cut;
  }
}

TEST_F(JournalTest, AFileOfAnotherRunIsRefusedByTheFieldThatDiffers) {
  open();
  RunIdentity other = kIdentity;
  other[1].second = "window heads 4+512";
  EXPECT_EQ(refusal(other), "--resume: " + path_ +
                                " is of another run: its presets is 'window heads 4+256', this run's is "
                                "'window heads 4+512'; give another file, or the flags of that run");
  other = kIdentity;
  other.emplace_back("context", "768");
  EXPECT_NE(refusal(other).find("its context is ''"), std::string::npos);
  EXPECT_EQ(refusal(kIdentity), "");
}

TEST_F(JournalTest, WhatIsNoJournalIsRefusedAndKept) {
  for (const std::string text : {"hello", "hello\n", "{}\n", "[1, 2]\n", "{\"format\": \"longshore eval 99\"}\n"}) {
    std::ofstream(path_, std::ios::trunc) << text;
    EXPECT_NE(refusal(kIdentity).find("is no file of `longshore eval`"), std::string::npos) << text;
    EXPECT_EQ(std::filesystem::file_size(path_), text.size());
  }
  EXPECT_EQ(Journal::open("/proc/nobody/writes/here", kIdentity, 1).error().code, ErrorCode::kNotFound);
}

TEST_F(JournalTest, LinesThatAreNoSamplesAreNamed) {
  Random random(3);
  ASSERT_TRUE(open()->add(random_answer(Task::kKv, 0, 2, random)));
  EXPECT_NE(refusal(kIdentity, 3).find("line 2"), std::string::npos) << "a sample of two presets";
  append("{\"task\": \"kv\"}\n");
  EXPECT_NE(refusal(kIdentity).find("line 3"), std::string::npos);
}

TEST_F(JournalTest, ChangedBytesAreFoundOrHarmless) {
  Random random(4);
  ASSERT_TRUE(open()->add(random_window(0, 2, random)));
  std::ifstream in(path_);
  const std::string whole(std::istreambuf_iterator<char>(in), {});
  for (int trial = 0; trial < 100; ++trial) {
    std::string changed = whole;
    changed[random.below(changed.size())] = static_cast<char>(random.below(256));
    std::ofstream(path_, std::ios::trunc) << changed;
    Journal::open(path_, kIdentity, 2).has_value();  // ends, with a result or an error
  }
}

}  // namespace
}  // namespace longshore::cli::eval
