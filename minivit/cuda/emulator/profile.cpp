// On a GPU the 32 threads of a warp execute a load together, as one request. Here they run one after the other, so a
// request is put together again: the k-th time that each of them executes the instruction since the last barrier.
//
// Global memory moves in sectors of 32 bytes: 32 neighbouring floats are 4 sectors, 32 floats in 32 rows are 32. Shared
// memory has 32 banks, and word w lies in bank w % 32: a request takes as many passes as the fullest bank has words.
// Reading one word by many threads is one pass. Wide accesses go in parts of 128 bytes: float4 by 8 threads at a time.
#include "profile.h"

#include "block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace profile {

struct Request { uint64_t address[block::WARP]; uint32_t lanes; };

static const int MOST_REQUESTS = 4096;  // of one instruction and warp between two barriers; more are not counted

// Of one instruction: its sums, and for every warp the requests since the last barrier.
struct Instruction {
    Count count;
    int bytes;
    bool shared;
    struct { Request* requests; int count, capacity; uint32_t executed[block::WARP]; } warps[block::MOST_WARPS];
    Instruction* next;                  // of those in use
};

static Instruction *first, **by_pc;
static const char* code;
static long code_bytes;

void begin_launch(const char* low, const char* high) {
    for (Instruction* it = first; it;) {
        for (auto& warp : it->warps) free(warp.requests);
        Instruction* next = it->next;
        free(it);
        it = next;
    }
    free(by_pc);
    first = nullptr, code = low, code_bytes = high - low;
    by_pc = (Instruction**)calloc(code_bytes, sizeof *by_pc);
}

static void record(const void* pc, const char* address, int bytes, bool shared) {
    long at = (const char*)pc - code;
    if (at < 0 || at >= code_bytes) return;
    Instruction*& it = by_pc[at];
    if (!it) {
        it = (Instruction*)calloc(1, sizeof *it);
        it->count.pc = pc, it->bytes = bytes, it->shared = shared, it->next = first;
        first = it;
    }
    auto& warp = it->warps[block::current / block::WARP];
    int lane = block::current % block::WARP, k = warp.executed[lane]++;
    if (k >= MOST_REQUESTS) return;
    if (k >= warp.capacity) {
        warp.capacity = warp.capacity ? 2 * warp.capacity : 16;
        warp.requests = (Request*)realloc(warp.requests, warp.capacity * sizeof(Request));
    }
    for (; warp.count <= k; ++warp.count) warp.requests[warp.count].lanes = 0;
    warp.requests[k].address[lane] = (uint64_t)address;
    warp.requests[k].lanes |= 1u << lane;
}

void global(const void* pc, const char* address, int bytes) { record(pc, address, bytes, false); }
void shared(const void* pc, const char* address, int bytes) { record(pc, address, bytes, true); }

static int compare(const void* a, const void* b) {
    uint64_t x = *(const uint64_t*)a, y = *(const uint64_t*)b;
    return (x > y) - (x < y);
}

// The different values of `n` numbers, sorted; returns how many.
static int distinct(uint64_t* numbers, int n) {
    qsort(numbers, n, sizeof *numbers, compare);
    int kept = 0;
    for (int i = 0; i < n; ++i)
        if (!i || numbers[i] != numbers[kept - 1]) numbers[kept++] = numbers[i];
    return kept;
}

static void count_sectors(Count& count, const Request& request, int bytes) {
    uint64_t sectors[2 * block::WARP], starts[block::WARP];
    int touched = 0, lanes = 0;
    for (unsigned rest = request.lanes; rest; rest &= rest - 1) {
        uint64_t address = request.address[__builtin_ctz(rest)];
        starts[lanes++] = address;
        sectors[touched++] = address / 32;
        sectors[touched++] = (address + bytes - 1) / 32;
    }
    count.sectors += distinct(sectors, touched);
    count.ideal_sectors += (distinct(starts, lanes) * bytes + 31) / 32;
}

static void count_passes(Count& count, const Request& request, int bytes) {
    int words = bytes > 4 ? bytes / 4 : 1, lanes_at_once = block::WARP / words;
    for (int from = 0; from < block::WARP; from += lanes_at_once) {
        uint64_t touched[block::WARP];
        int n = 0, in_bank[32] = {}, passes = 0;
        for (int lane = from; lane < from + lanes_at_once; ++lane)
            for (int word = 0; word < words && request.lanes >> lane & 1; ++word)
                touched[n++] = request.address[lane] / 4 + word;
        if (!n) continue;
        n = distinct(touched, n);
        for (int i = 0; i < n; ++i)
            if (++in_bank[touched[i] % 32] > passes) passes = in_bank[touched[i] % 32];
        count.passes += passes;
        count.ideal_passes += (n + 31) / 32;
    }
}

void flush() {
    for (Instruction* it = first; it; it = it->next)
        for (auto& warp : it->warps) {
            for (int k = 0; k < warp.count; ++k) {
                ++it->count.requests;
                if (it->shared) count_passes(it->count, warp.requests[k], it->bytes);
                else count_sectors(it->count, warp.requests[k], it->bytes);
            }
            warp.count = 0;
            memset(warp.executed, 0, sizeof warp.executed);
        }
}

int counts(Count* into, int most) {
    int n = 0;
    for (Instruction* it = first; it && n < most; it = it->next) into[n++] = it->count;
    return n;
}

}
