#include "cli/eval/evaluation.h"

#include <unistd.h>

#include <filesystem>

#include "tests/unit/cli/eval/tiny_node.h"

namespace longshore::cli::eval {
namespace {

class EvaluationTest : public TinyNode {
 protected:
  EvaluationTest() : path_(testing::TempDir() + "/evaluation-" + std::to_string(getpid()) + ".jsonl") {
    std::filesystem::remove(path_);
    SampleOptions options;
    options.context = 200;
    for (TokenId token = 0; token < 200; ++token) options.ordinary.push_back(token);
    source_.emplace(SampleSource::create(*tokenizer_, std::move(options), {Task::kText, Task::kInduction}).value());
  }
  ~EvaluationTest() override { std::filesystem::remove(path_); }

  Result<SampleResults> run(std::uint32_t windows, std::uint32_t questions, Journal* journal) {
    testing::internal::CaptureStderr();
    TeacherForcing text(*steps_, *pool_, presets_, 512);
    Answering answers(*steps_, *tokenizer_, presets_, 512);
    Evaluation evaluation{*source_, text, answers, journal, clock_};
    Result<SampleResults> results = evaluation.run({{Task::kText, windows}, {Task::kInduction, questions}});
    said_ = testing::internal::GetCapturedStderr();
    return results;
  }

  std::string path_, said_;
  std::vector<EvaluatedPreset> presets_ = {{"window", {{HeadRule{0, 16}}}}};
  std::optional<SampleSource> source_;
};

TEST_F(EvaluationTest, RunsEverySampleOfEveryTask) {
  const SampleResults results = run(2, 3, nullptr).value();
  ASSERT_EQ(results.size(), 5u);
  for (const auto& [id, result] : results) {
    EXPECT_EQ(id.first, result.task);
    EXPECT_EQ(id.second, result.index);
    EXPECT_EQ(result.presets.size(), 1u);
  }
}

TEST_F(EvaluationTest, TakesWhatIsFinishedFromTheJournal) {
  const SampleResults whole = run(2, 3, nullptr).value();
  {
    const auto journal = Journal::open(path_, {}, 1).value();
    EXPECT_EQ(run(1, 2, journal.get()).value().size(), 3u);
  }
  {
    const auto journal = Journal::open(path_, {}, 1).value();
    EXPECT_EQ(run(2, 3, journal.get()).value(), whole);
    EXPECT_TRUE(said_.starts_with("3 of 5 samples were finished before\n")) << said_;
  }
  const auto journal = Journal::open(path_, {}, 1).value();
  EXPECT_EQ(journal->finished(), whole);
  EXPECT_EQ(run(1, 0, journal.get()).value().size(), 1u) << "only what is asked for";
}

TEST_F(EvaluationTest, EndsWithTheFirstError) {
  presets_[0].heads.rules.resize(3);
  EXPECT_EQ(run(1, 1, nullptr).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace longshore::cli::eval
