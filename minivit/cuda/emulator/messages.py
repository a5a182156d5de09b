"""A sentence for every kind of finding: what happened, where, and the likely fix."""
from dataclasses import dataclass

from minivit.cuda.emulator.places import Place
from minivit.cuda.emulator.report import Finding

SHARED = -1              # findings.h: Array
WAITS = {1: "__syncthreads()", 2: "__syncwarp()", 3: "a shuffle", 4: "a vote"}


@dataclass
class Scene:
    """What a sentence can name: the launch, its arrays, and the places of its instructions."""

    kernel: object          # signature.Kernel
    shapes: dict            # {name in shared memory: (type, its shape)}
    args: list              # of the launch
    grid: tuple
    block: tuple
    places: object          # places.Places
    files: list             # of which the text is made
    shared_bytes: int
    seconds: float
    checked: bool
    base: int               # the address at which the library lies

    def place(self, line, pc):
        """The line that a finding names itself, or that of its instruction."""
        if line or not pc:
            return Place(self.files[line >> 20], line & 0xfffff)        # cuda.h: MINIVIT_LINE
        return self.places.find([pc - self.base])[pc - self.base]

    def other_line(self, raw):
        """`line 7`, where the other side of a finding stands; in another file, `line 7 of rows.cuh`."""
        other = self.place(raw.other_line, raw.other_pc)
        return f"line {other.line}" + (f" of {other.file}" if other.file != self.place(raw.line, raw.pc).file else "")

    def thread(self, number):
        return _index(number, self.block)

    def who(self, thread, block, other=None):
        """Thread and block, short where the block was named before."""
        if thread < 0:
            return "a thread"
        where = "" if block == other else f" of block {_written(_index(block, self.grid))}"
        return f"thread {_written(self.thread(thread))}{where}"

    def element(self, array, offset, size):
        """`partial[3]`, of an array of the kernel or in shared memory; the words for anything else."""
        if array >= 0:
            step = self.kernel.parameters[array].dtype.itemsize
            return f"{self.kernel.parameters[array].name}[{offset // step}]" + (
                f" (byte {offset % step} of it)" if offset % step else "")
        if array == SHARED:
            found = self.places.variable(offset)
            return self._in_shared(*found, size) if found else f"byte {offset} of shared memory"
        return "memory"

    def _in_shared(self, name, offset, size):
        """`tile[2][5]`; where the declaration could not be read, the number of an element as large as the access."""
        step, shape = self.shapes.get(name, (size, (0,)))
        if not shape:
            return name
        number, indices = offset // step, []
        for length in reversed(shape[1:]):
            number, index = divmod(number, length)
            indices.append(index)
        return name + "".join(f"[{index}]" for index in [number, *reversed(indices)])


def _index(number, shape):
    return number % shape[0], number // shape[0] % shape[1], number // shape[0] // shape[1]


def _written(index):
    return "({},{},{})".format(*index)


def _does(raw):
    return "writes" if raw.write else "reads"


def _distance(offset, size):
    """Where an access lies that begins `offset` bytes from the start of an array of `size` bytes."""
    if offset < 0:
        return f"{-offset} bytes before its start"
    return f"{offset - size} bytes after its end" if offset > size else "just after its end"


def _out_of_bounds(raw, scene, who):
    element = f"{who} {_does(raw)} {raw.bytes} bytes at {scene.element(raw.array, raw.offset, raw.bytes)}"
    if raw.array == SHARED:
        return (f"{element}, outside that variable in shared memory. Declare it larger, or guard the access with an "
                f"`if`")
    name, array = scene.kernel.parameters[raw.array].name, scene.args[raw.array]
    return (f"{element}, {_distance(raw.offset, array.nbytes)}: {name} has {array.size} "
            f"element{'s' * (array.size != 1)}. Guard the access with an `if`, or check how the index is computed")


def _no_array(raw, scene, who):
    return (f"{who} {_does(raw)} {raw.bytes} bytes at an address where no array of this launch lies. A pointer is "
            f"null, or belongs to an array that was freed or never passed, or an index is far too large, or negative "
            f"because an int overflowed")


def _misaligned(raw, scene, who):
    return (f"{who} {_does(raw)} {raw.bytes} bytes at once at {scene.element(raw.array, raw.offset, raw.bytes)}, whose "
            f"address is no multiple of {raw.bytes}. A GPU stops there. Read single elements where rows are not a "
            f"multiple of {raw.bytes} bytes long")


def _const_written(raw, scene, who):
    return (f"{who} writes {scene.element(raw.array, raw.offset, raw.bytes)}, which the kernel declares const. Write "
            f"to an output, or drop the const")


def _beyond_shared(raw, scene, who):
    return (f"{who} {_does(raw)} {scene.element(SHARED, raw.offset, raw.bytes)}, beyond the {scene.shared_bytes} bytes "
            f"of dynamic shared memory that the launch asked for. Pass a larger shared_mem, or check the index")


def _guard_changed(raw, scene, who):
    return (f"{scene.kernel.name} wrote outside {scene.kernel.parameters[raw.array].name}, "
            f"{_distance(raw.offset, raw.bytes)}. Run it in checked mode (`with checking():`) to see which line and "
            f"which thread")


def _crash(raw, scene, who):
    advice = "" if scene.checked else " Run it in checked mode (`with checking():`) to see what it touches there"
    return (f"{who} touches address {raw.offset & (2**64 - 1):#x}, where nothing lies, or a float4 at an address that "
            f"is no multiple of 16. The kernel was stopped.{advice}")


def _stack_overflow(raw, scene, who):
    return (f"{who} has used up its stack of 64 kB. Local arrays this large, or this deep a recursion, are slow on a "
            f"GPU too: use shared memory")


def _divergent_barrier(raw, scene, who):
    return (f"{who} waits at this __syncthreads(), and {scene.who(raw.other_thread, raw.block, raw.block)} at the one "
            f"in {scene.other_line(raw)}. All threads of a block must come to the same one: move it out of the `if`")


def _barrier_after_return(raw, scene, who):
    return (f"{who} is at __syncthreads(), which {scene.who(raw.other_thread, raw.block, raw.block)} never reaches: it "
            f"has ended. All threads of a block must come to a barrier, equally often: move it out of the `if` or the "
            f"loop, and let threads without work skip the work, not return")


def _stuck(raw, scene, who):
    if WAITS[raw.lane] == "__syncthreads()":
        return (f"{who} waits at __syncthreads() for ever: other threads of the block wait elsewhere and never come. "
                f"Move the barrier to where all threads pass")
    return (f"{who} waits at {WAITS[raw.lane]} for ever: the mask {raw.mask:#010x} names lanes of its warp that never "
            f"come. Call it where all these lanes pass, or name only those that do")


def _not_in_mask(raw, scene, who):
    return (f"{who} is lane {raw.lane} of its warp, and calls with the mask {raw.mask:#010x}, which does not name that "
            f"lane. The mask must name every thread that calls: 0xffffffff where the whole warp does")


def _lane_absent(raw, scene, who):
    threads = scene.block[0] * scene.block[1] * scene.block[2]
    why = (f"the block has {threads} threads, and none there" if raw.thread // 32 * 32 + raw.lane >= threads
           else "it has ended, and did not come here" if raw.mask >> raw.lane & 1
           else f"the mask {raw.mask:#010x} does not name it")
    return f"{who} reads from lane {raw.lane} of its warp, which takes no part: {why}. The value is undefined"


def _masks_differ(raw, scene, who):
    return (f"{who} and {scene.who(raw.other_thread, raw.block, raw.block)} of one warp meet at different calls: here "
            f"with mask {raw.mask:#010x}, there in {scene.other_line(raw)}. All lanes of a mask must make the same "
            f"call")


def _uninitialised(raw, scene, who):
    return (f"{who} reads {scene.element(SHARED, raw.offset, raw.bytes)} in shared memory, which no thread of the "
            f"block has written. Shared memory is not cleared: write it first, and check that as many threads write as "
            f"read")


def _race(raw, scene, second, first):
    element = scene.element(raw.array, raw.offset, raw.bytes)
    before = scene.who(raw.other_thread, raw.other_block, raw.block)
    if raw.other_block != raw.block:
        why = "and nothing orders two blocks. Let each block write elements of its own, or use an atomic"
    elif raw.thread // 32 == raw.other_thread // 32:
        why = "with no __syncwarp() or __syncthreads() between them"
    else:
        why = "with no __syncthreads() between them"
    if raw.array >= 0 and not raw.same_value and raw.other_block == raw.block and (
            scene.place(raw.other_line, raw.other_pc) == scene.place(raw.line, raw.pc)):
        why += ". Where several threads change one element, use an atomic"
    return (f"{scene.who(raw.thread, raw.block)} {second} {element}, which {before} {first} at "
            f"{scene.other_line(raw)}, {why}")


def _write_write(raw, scene, who):
    benign = ". Both wrote the same value, so the result is right, but let one thread write it" * bool(raw.same_value)
    return _race(raw, scene, "writes", "wrote") + benign


def _write_read(raw, scene, who):
    return _race(raw, scene, "reads", "wrote")


def _read_write(raw, scene, who):
    return _race(raw, scene, "writes", "read")


def _assertion(raw, scene, who):
    return f"{who}: assert({raw.text.decode()}) does not hold"


def _trap(raw, scene, who):
    return f"{who} executed __trap()"


def _too_long(raw, scene, who):
    return (f"the kernel has run for {scene.seconds:g} seconds and was stopped here, in {who}. A loop that waits for "
            f"another thread needs a barrier in it; else check the loop's condition, or allow more: "
            f"emulate(..., seconds=...)")


def _division(raw, scene, who):
    return f"{who} divides an integer by 0, or its lowest value by -1"


# In the order of the enum Kind in findings.h.
KINDS = [
    *(("memcheck", sentence) for sentence in (_out_of_bounds, _no_array, _misaligned, _const_written, _beyond_shared,
                                              _guard_changed, _crash, _stack_overflow)),
    *(("synccheck", sentence) for sentence in (_divergent_barrier, _barrier_after_return, _stuck, _not_in_mask,
                                               _lane_absent, _masks_differ)),
    ("initcheck", _uninitialised),
    *(("racecheck", sentence) for sentence in (_write_write, _write_read, _read_write)),
    ("assert", _assertion), ("trap", _trap), ("limit", _too_long), ("division", _division),
]


def findings_of(entries, scene):
    """The Findings that the entries of the runtime's list stand for."""
    pcs = [pc for entry in entries for pc in (entry.pc, entry.other_pc) if pc]
    scene.places.find([pc - scene.base for pc in pcs])              # all at once: each question starts a program
    return [_finding_of(entry, scene) for entry in entries]


def _finding_of(raw, scene):
    kind, sentence = KINDS[raw.kind]
    place, other = scene.place(raw.line, raw.pc), scene.place(raw.other_line, raw.other_pc)
    text = sentence(raw, scene, scene.who(raw.thread, raw.block))
    return Finding(kind=kind, text=text, kernel=scene.kernel.name, file=place.file, line=place.line,
                   thread=scene.thread(raw.thread) if raw.thread >= 0 else None,
                   block=_index(raw.block, scene.grid), other_line=other.line, count=raw.count,
                   benign=bool(raw.same_value))
