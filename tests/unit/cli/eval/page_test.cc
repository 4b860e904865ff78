#include "cli/eval/page.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/property_tree/xml_parser.hpp>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include "cli/eval/svg_heat_map.h"
#include "cli/eval/svg_scatter.h"
#include "tests/unit/cli/eval/small_report.h"

namespace longshore::cli::eval {
namespace {

boost::property_tree::ptree parse(const std::string& xml) {
  std::istringstream in(xml);
  boost::property_tree::ptree tree;
  boost::property_tree::read_xml(in, tree);  // throws where a tag is not closed, and so fails the test
  return tree;
}

TEST(Page, IsWellFormedAndComplete) {
  std::string page = to_page(small_report());
  // Two tags of HTML are closed by nothing.
  for (const std::string& open : {std::string("<!doctype html>"), std::string("<meta charset=\"utf-8\">")}) {
    const std::size_t at = page.find(open);
    ASSERT_NE(at, std::string::npos);
    page.erase(at, open.size());
  }
  const boost::property_tree::ptree body = parse(page).get_child("html.body");
  EXPECT_EQ(body.count("svg"), 3u) << "KL, accuracy, and needles by depth";
  EXPECT_EQ(body.get_child("table").count("tr"), 1u + 4u);
  EXPECT_EQ(body.count("p"), 1u + 2u);
}

TEST(Page, NeedsNothingFromOutside) {
  const std::string page = to_page(small_report());
  for (const char* outside : {"http", "src=", "<script", "<link", "@import", "url("})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  EXPECT_EQ(page.find("<\"a\""), std::string::npos) << "a name that is not escaped";
}

TEST(Page, IsWrittenOrSaysWhyNot) {
  const std::string path = testing::TempDir() + "/page-" + std::to_string(getpid()) + ".html";
  ASSERT_TRUE(write_page(path, small_report()));
  EXPECT_EQ(std::filesystem::file_size(path), to_page(small_report()).size());
  std::filesystem::remove(path);
  EXPECT_EQ(write_page("/proc/nobody/writes/here", small_report()).error().code, ErrorCode::kNotFound);
}

TEST(SvgScatter, PointsLieWithinThePicture) {
  for (const double y : {0.0, 0.5, 1e9, std::numeric_limits<double>::infinity(), std::nan("")}) {
    const auto svg = parse(to_svg(Scatter{"KL", 0, {{0.25, y, "text", "a"}, {1.5, 0, "text", "b"}}})).get_child("svg");
    std::size_t circles = 0;
    for (const auto& [name, node] : svg) {
      if (name != "circle") continue;
      ++circles;
      EXPECT_GE(node.get<double>("<xmlattr>.cx"), 0);
      EXPECT_LE(node.get<double>("<xmlattr>.cx"), 760);
      EXPECT_GE(node.get<double>("<xmlattr>.cy"), 0);
      EXPECT_LE(node.get<double>("<xmlattr>.cy"), 380);
    }
    EXPECT_EQ(circles, 3u) << "two points and one in the legend";
  }
}

TEST(SvgScatter, NamesOfPointsThatLieTogetherStandApartAndOnce) {
  const Scatter scatter{
      "right", 1, {{1, 1, "a", "x"}, {1, 1, "b", "x"}, {1, 1, "a", "y"}, {0.9, 1, "a", "z"}, {0, 0, "a", "x"}}};
  const auto svg = parse(to_svg(scatter)).get_child("svg");
  std::multimap<std::string, double> lines;
  for (const auto& [name, node] : svg)
    if (name == "text") lines.emplace(node.data(), node.get<double>("<xmlattr>.y", 0));
  EXPECT_EQ(lines.count("x"), 2u);
  ASSERT_EQ(lines.count("y"), 1u);
  ASSERT_EQ(lines.count("z"), 1u);
  EXPECT_GE(std::abs(lines.find("y")->second - lines.find("z")->second), 13);
}

TEST(SvgHeatMap, LeavesOutWhatWasNotMeasured) {
  const auto svg =
      parse(to_svg(HeatMap{{"0 %", "100 %"}, {{"a", {0.0, 1.0}}, {"b", {std::nullopt, 0.5}}}})).get_child("svg");
  EXPECT_EQ(svg.count("rect"), 3u);
  EXPECT_EQ(svg.count("text"), 2u + 2u + 3u);
}

}  // namespace
}  // namespace longshore::cli::eval
