// `longshore serve`: scheduler, compute node and attention nodes in one process.
#include <cstdio>
#include <memory>
#include <string>

#include "cli/api_server.h"
#include "cli/cluster_flags.h"
#include "cli/command.h"
#include "cli/local_service.h"
#include "cli/placement_reply.h"
#include "cli/signals.h"
#include "scheduler/gateway/explanation_json.h"

namespace longshore::cli {
namespace {

struct ServeFlags {
  ClusterFlags cluster;
  ApiFlags api;
};

Result<void> serve(const ServeFlags& flags) {
  block_signals();
  Result<std::unique_ptr<LocalService>> local = LocalService::create(flags.cluster, flags.api.queue);
  if (!local) return local.error();
  const LoadedModel& model = (*local)->model();
  std::vector<http::Route> routes;
  routes.push_back({"GET", "/placement", http::respond([&](const http::Request&) {
                      http::Response response;
                      response.body = placement_json((*local)->cluster());
                      return response;
                    })});
  routes.push_back(gateway::explain_route([&] { return (*local)->cluster().explain(); }));
  ApiParts parts{(*local)->loop(),    *model.tokenizer,  model.name,       model.file->sha256(),
                 (*local)->metrics(), (*local)->clock(), std::move(routes)};
  return run_api(flags.api, std::move(parts), [&](std::uint16_t port, const std::string& name) {
    std::printf("ready http://%s:%u model=%s context=%u isa=%s threads=%u attention_nodes=%u transport=%s\n",
                flags.api.host.c_str(), port, name.c_str(), (*local)->cluster().context_tokens(),
                std::string(kernels::to_string((*local)->isa())).c_str(), model.pool->threads(),
                flags.cluster.attention_nodes, flags.cluster.transport.c_str());
    std::fflush(stdout);
  });
}

}  // namespace

Run add_serve(CLI::App& program, CLI::App*& subcommand) {
  subcommand = program.add_subcommand("serve", "Serve a model over HTTP, with all roles in this process");
  auto flags = std::make_shared<ServeFlags>();
  add_cluster_flags(*subcommand, flags->cluster);
  add_api_flags(*subcommand, flags->api);
  return [flags] {
    const Result<void> served = serve(*flags);
    return served ? 0 : fail(served.error());
  };
}

}  // namespace longshore::cli
