// What may interrupt a kernel: a crash, the end of its time, Ctrl-C.
#pragma once

namespace signals {
    void start(double seconds);         // of a launch: its time begins
    void stop();
    void attend();                      // from here on signals come to us,
    void leave_alone();                 // from here on to whoever had them before

    bool asked_to_stop();               // has a signal come that could not be heeded at once?
    bool asked_to_pause();

    // While one of these lives, a signal waits: what is being done must not be left half done (malloc, say).
    struct Hold {
        Hold();
        ~Hold();
    };
}
