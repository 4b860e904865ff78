#include "cli/local_service.h"

#include <algorithm>
#include <utility>

namespace longshore::cli {

Result<std::unique_ptr<LocalService>> LocalService::create(const ClusterFlags& flags, std::uint32_t queue) {
  const Result<ParsedClusterFlags> parsed = parse(flags);
  if (!parsed) return parsed.error();
  std::unique_ptr<LocalService> local(new LocalService());
  Result<LoadedModel> model = load_model(flags.model, flags.threads, parsed->isa);
  if (!model) return model.error();
  local->model_ = std::move(*model);
  Result<std::unique_ptr<EmbeddedCluster>> cluster =
      EmbeddedCluster::create(local->model_, parsed->options, local->metrics_, local->clock_);
  if (!cluster) return cluster.error();
  local->cluster_ = std::move(*cluster);
  local->link_ = std::make_unique<LocalComputeLink>(*local->cluster_, local->metrics_);

  service::StepLoopOptions options;
  options.batcher.max_sequences = parsed->options.max_sequences;
  options.batcher.chunk_tokens = std::max(parsed->options.chunk_tokens, parsed->options.max_sequences);
  options.batcher.decode_share = flags.batching.decode_share;
  options.batcher.queue_sequences_max = queue;
  options.batcher.context_tokens = local->cluster_->context_tokens();
  options.batcher.vocabulary_tokens = local->model_.config().vocabulary;
  options.batcher.prefix_cache = flags.batching.prefix_cache;
  options.batcher.prefixes_end_whole = local->model_.config().has_windows();
  options.batcher.kv_leaves = local->link_->kv_leaf_capacity();
  Result<std::unique_ptr<service::StepLoop>> loop =
      service::StepLoop::create(options, {local->link_.get()}, local->metrics_, local->clock_);
  if (!loop) return loop.error();
  local->loop_ = std::move(*loop);
  return local;
}

}  // namespace longshore::cli
