#include "transport/ucx/ucx_worker.h"

#include "runtime/base/log.h"
#include "transport/ucx/ucx_status.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <ucs/debug/log_def.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

namespace longshore::transport {
namespace {

// What UCX has to say goes to our log, below the level that people see: whatever matters comes back as a
// status, too, and a peer that dies is no error of this process.
ucs_log_func_rc_t forward_log(const char*,
                              unsigned,
                              const char*,
                              ucs_log_level_t level,
                              const ucs_log_component_config_t*,
                              const char* format,
                              va_list arguments) {
  if (level > UCS_LOG_LEVEL_DIAG) return UCS_LOG_FUNC_RC_CONTINUE;  // asked for with UCX_LOG_LEVEL
  char text[512];
  va_list copy;
  va_copy(copy, arguments);
  std::vsnprintf(text, sizeof text, format, copy);
  va_end(copy);
  if (level == UCS_LOG_LEVEL_FATAL)
    log::error("ucx: {}", text);
  else
    log::debug("ucx: {}", text);
  return UCS_LOG_FUNC_RC_STOP;
}

struct Setting {
  const char* name;
  std::string value;
};

// What a setting is called by ucp_config_modify depends on the version: 1.13 knows those of its shared-memory
// and TCP interfaces without the transport's name ("MM" is both kinds of shared memory), later ones as the
// environment does. Each gets both; a name that is not known is no error, and what it was for is seen in the
// path that results.
std::vector<Setting> settings_of(const UcxOptions& options) {
  const std::string segment = std::to_string(kUcxSegmentBytes);
  std::vector<Setting> settings{
      {"KEEPALIVE_INTERVAL", std::to_string(options.keepalive.count()) + "ms"},
      // Without it UCX 1.13 silently leaves shared memory out as soon as peer errors are to be reported, and
      // a message takes 32 us over TCP instead of 2.
      {"MM_ERROR_HANDLING", "y"},
      {"POSIX_ERROR_HANDLING", "y"},
      {"SYSV_ERROR_HANDLING", "y"},
      // One fragment (ucx_fragments.h) is one segment: ones of 8 KiB cost a system call each on TCP.
      {"MM_SEG_SIZE", segment},
      {"POSIX_SEG_SIZE", segment},
      {"SYSV_SEG_SIZE", segment},
      {"TX_SEG_SIZE", segment},
      {"TCP_TX_SEG_SIZE", segment},
      {"RX_SEG_SIZE", segment},
      {"TCP_RX_SEG_SIZE", segment},
  };
  if (!options.tls.empty()) settings.push_back({"TLS", options.tls});
  if (!options.net_devices.empty()) settings.push_back({"NET_DEVICES", options.net_devices});
  return settings;
}

timespec to_timespec(std::chrono::nanoseconds time) {
  return {.tv_sec = time.count() / 1'000'000'000, .tv_nsec = time.count() % 1'000'000'000};
}

Result<ucp_context_h> start_ucx(const UcxOptions& options) {
  static std::once_flag log_once;
  std::call_once(log_once, [] { ucs_log_push_handler(forward_log); });

  ucp_config_t* config = nullptr;
  if (const ucs_status_t status = ucp_config_read(nullptr, nullptr, &config); status != UCS_OK)
    return to_error(status, "reading UCX_* settings");
  for (const Setting& setting : settings_of(options)) {
    const ucs_status_t status = ucp_config_modify(config, setting.name, setting.value.c_str());
    if (status != UCS_OK) {
      ucp_config_release(config);
      return make_error(ErrorCode::kFailedPrecondition, "UCX refuses ", setting.name, "=", setting.value,
                        ": ", ucs_status_string(status));
    }
  }
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  // No RMA: UCX emulates it over TCP and shared memory with writes that no key is asked for (README.md).
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.name = "longshore";
  ucp_context_h context = nullptr;
  const ucs_status_t status = ucp_init(&params, config, &context);
  ucp_config_release(config);
  if (status != UCS_OK)
    return make_error(
        status == UCS_ERR_NO_DEVICE ? ErrorCode::kFailedPrecondition : to_error(status, "").code,
        "UCX does not start with transports \"", options.tls, "\" and devices \"", options.net_devices,
        "\": ", ucs_status_string(status), "; `ucx_info -d` lists what this machine has");
  return context;
}

}  // namespace

Result<std::unique_ptr<UcxWorker>> UcxWorker::create(const UcxOptions& options) {
  Result<ucp_context_h> context = start_ucx(options);
  if (!context) return context.error();
  std::unique_ptr<UcxWorker> worker(new UcxWorker());
  worker->context_ = *context;

  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  if (const ucs_status_t status = ucp_worker_create(*context, &params, &worker->worker_); status != UCS_OK) {
    const bool nothing = status == UCS_ERR_NO_DEVICE || status == UCS_ERR_NO_ELEM;
    return make_error(nothing ? ErrorCode::kFailedPrecondition : to_error(status, "").code,
                      "UCX finds nothing to communicate with among transports \"", options.tls,
                      "\" and devices \"", options.net_devices, "\": ", ucs_status_string(status),
                      "; see `ucx_info -d`");
  }
  if (const ucs_status_t status = ucp_worker_get_efd(worker->worker_, &worker->event_descriptor_);
      status != UCS_OK)
    return to_error(status, "asking UCX for its event descriptor");
  worker->wake_descriptor_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (worker->wake_descriptor_ < 0)
    return make_error(ErrorCode::kResourceExhausted, "eventfd: ", std::strerror(errno));

  ucp_address_t* address = nullptr;
  std::size_t address_bytes = 0;
  if (const ucs_status_t status = ucp_worker_get_address(worker->worker_, &address, &address_bytes);
      status != UCS_OK)
    return to_error(status, "asking UCX for the worker's address");
  const auto* bytes = reinterpret_cast<const std::byte*>(address);
  worker->address_.assign(bytes, bytes + address_bytes);
  ucp_worker_release_address(worker->worker_, address);
  return worker;
}

UcxWorker::~UcxWorker() {
  if (worker_ != nullptr) ucp_worker_destroy(worker_);
  if (context_ != nullptr) ucp_cleanup(context_);
  if (wake_descriptor_ >= 0) ::close(wake_descriptor_);
}

bool UcxWorker::park(std::chrono::nanoseconds timeout) {
  if (ucp_worker_arm(worker_) != UCS_OK) return false;  // busy; any other trouble shows in progress, too
  pollfd descriptors[] = {{event_descriptor_, POLLIN, 0}, {wake_descriptor_, POLLIN, 0}};
  const timespec limit = to_timespec(timeout);
  ppoll(descriptors, 2, &limit, nullptr);
  return true;
}

void UcxWorker::doze(std::chrono::nanoseconds timeout) {
  pollfd descriptor{wake_descriptor_, POLLIN, 0};
  const timespec limit = to_timespec(timeout);
  ppoll(&descriptor, 1, &limit, nullptr);
}

void UcxWorker::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      write(wake_descriptor_, &one, sizeof one);  // full means awake already
}

void UcxWorker::clear_wake() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t taken = read(wake_descriptor_, &count, sizeof count);
}

}  // namespace longshore::transport
