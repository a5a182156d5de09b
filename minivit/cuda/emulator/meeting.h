// How threads meet: the barriers of a block, the exchanges of a warp.
#pragma once

namespace meeting {
    extern int live;                    // threads of the block that have not returned

    void begin();                       // a block
    void returned();                    // the current thread has
    void release_gathered(int warp);    // no other lane of the warp can run: who came to __activemask() is together
}
