#include "transport/message.h"

#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

namespace longshore::transport {
namespace {

TEST(MessageTest, StartsAlignedAndKeepsItsBytesWhenItGrows) {
  MessagePool pool;
  Message message = pool.take(3);
  std::memcpy(message.data(), "abc", 3);
  for (std::size_t size = 4; size < 100000; size = size * 3 + 1) {
    message.resize(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(message.data()) % 64, 0u);
    EXPECT_EQ(std::memcmp(message.data(), "abc", 3), 0);
  }
  message.resize(2);
  EXPECT_EQ(message.size(), 2u);
}

TEST(MessageTest, GoesWithItsBytesWhenMoved) {
  MessagePool pool;
  Message a = pool.take(10);
  const std::byte* data = a.data();
  Message b = std::move(a);
  EXPECT_EQ(b.data(), data);
  Message c;
  c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c.size(), 10u);
  Message without_pool;
  without_pool.resize(100);
  EXPECT_EQ(without_pool.size(), 100u);
}

TEST(MessagePoolTest, GivesTheSameMemoryAgain) {
  MessagePool pool;
  std::byte* first = nullptr;
  {
    Message message = pool.take(5000);
    first = message.data();
    EXPECT_EQ(pool.idle_bytes(), 0u);
  }
  EXPECT_EQ(pool.idle_bytes(), 8192u);
  EXPECT_EQ(pool.take(8192).data(), first);
}

TEST(MessagePoolTest, KeepsNoMoreThanItsLimit) {
  MessagePool pool;
  {
    std::vector<Message> messages;
    for (int i = 0; i < 5; ++i) messages.push_back(pool.take(std::size_t{16} << 20));
  }
  EXPECT_EQ(pool.idle_bytes(), MessagePool::kIdleBytesMax);
}

TEST(MessagePoolTest, MessagesMayOutliveIt) {
  Message message;
  {
    MessagePool pool;
    message = pool.take(100);
  }
  message.resize(100000);
  EXPECT_EQ(message.size(), 100000u);
}

}  // namespace
}  // namespace longshore::transport
