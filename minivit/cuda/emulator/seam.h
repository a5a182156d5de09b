// What a kernel asks of the emulator: the seam between a learner's code and the runtime.
//
// A kernel is compiled with `cuda.h`, which turns CUDA's words into these calls. `line` is a line of the learner's, with
// the number of its file in the upper bits.
#pragma once

struct uint3 { unsigned x, y, z; };

struct dim3 : uint3 {
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : uint3{x_, y_, z_} {}
};

extern "C" {
    extern const uint3* minivit_threadIdx;                  // of the thread that runs now
    extern uint3 minivit_blockIdx;
    extern dim3 minivit_blockDim, minivit_gridDim;

    // Barriers of the block. `vote` returns how many threads gave a predicate other than 0.
    void minivit_syncthreads(int line);
    int minivit_syncthreads_vote(int predicate, int line);

    // Among the threads of a warp that `mask` names.
    void minivit_syncwarp(unsigned mask, int line);
    unsigned minivit_ballot(unsigned mask, int predicate, int line);
    unsigned long long minivit_shuffle(unsigned mask, unsigned long long value, int source_lane, int line);
    unsigned minivit_activemask(int line);                  // the lanes that are together in this line
    int minivit_lane();

    // Tell the checks of a fence, of an atomic access that now follows, of many bytes that are now read or written.
    void minivit_threadfence(bool device);
    void minivit_atomic(const void* address, int bytes);
    void minivit_range(const void* address, unsigned long bytes, bool write);

    void minivit_assert_failed(const char* condition, int line);
    void minivit_trap(int line);
    int minivit_printf(const char* format, ...);
}
