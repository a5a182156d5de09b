// A piece of thread-local memory, linked before and after each kernel: so it lies on both sides of its shared memory.
#include "checks.h"

__attribute__((used)) static thread_local char minivit_guard[checks::SHARED_GUARD];
