// What happens before what, whatever the order in which the threads ran.
#pragma once
#include <stdint.h>

namespace order {
    struct When {
        uint32_t block;                                 // its number + 1; 0: never
        uint32_t epoch, clock;
        uint16_t thread;
    };

    void begin_launch(long blocks);
    void begin_block();
    void warp_met(int warp, unsigned lanes);
    void wrote_global();                                // the current thread has
    void fence(bool device);                            // the current thread has executed one
    void synchronise();                                 // the current thread has executed an atomic

    When now();
    bool happened_before(const When& before);           // before what the current thread does now
}
