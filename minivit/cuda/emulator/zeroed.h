// Large arrays of which little is used: memory that is fetched when it is touched.
#pragma once
#include <sys/mman.h>

// `cells` as memory of `count` elements that are all 0.
template <class T> static void zeroed(T*& cells, long& capacity, long count) {
    if (cells) munmap(cells, capacity * sizeof(T));
    capacity = count + 1;
    cells = (T*)mmap(nullptr, capacity * sizeof(T), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}
