#pragma once

#include "workers/probe/limit_kernels.h"

// One table per instruction set, each compiled with its flags; limit_kernels() chooses.
namespace longshore::probe {

extern const LimitKernels kLimitKernelsPortable;
extern const LimitKernels kLimitKernelsAvx2;
extern const LimitKernels kLimitKernelsAvx512;

}  // namespace longshore::probe
