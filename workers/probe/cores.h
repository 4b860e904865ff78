#pragma once

#include <string>

namespace longshore::probe {

// The cores that this process may run on, as text that is the same for processes that share them and differs between
// machines: "<boot id>:<hexadecimal mask>". Empty where the system does not say.
std::string cores_of_process();

}  // namespace longshore::probe
