// Fibers: many stacks, one processor. A fiber runs until it hands over to another, and later goes on where it was.
#pragma once

// Goes on with the fiber whose stack pointer is `to`, after saving in `*from` where the present one is to go on.
extern "C" void minivit_switch(void** from, void* to);

namespace fiber {
    constexpr int STACKS = 1024;                    // the most threads a block may have
    constexpr long STACK_BYTES = 64 << 10;

    int take();                                     // a free stack
    void give_back(int stack);
    void* start(int stack, void (*entry)());        // a fiber that will call entry(): what to switch to
    void forget();                                  // all stacks are free again, whatever lies on them
    bool on_stack(int stack, const void* address);
    bool in_guard(const void* address);             // below a stack: the address of a stack that overflowed
    bool on_any_stack(const void* address);
}
