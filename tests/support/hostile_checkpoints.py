"""Checkpoints that attack whoever reads them; each touches a canary file if it is run.

`RUNNING` would run code: a reader refuses them or returns inert values. `BROKEN` declare what cannot
be, or unfold to far more than they are: a reader refuses them. `COSTLY` are as large as may be: a
reader takes or refuses them, within its time and memory. Every writer takes the canary's path.
"""

import io
import json
import pickle
import pickletools
import stat
import struct
import zipfile
from collections.abc import Callable

import genuine_checkpoints as genuine
import numpy as np
import torch

RUNNING: dict[str, Callable[[str], bytes]] = {}
BROKEN: dict[str, Callable[[str], bytes]] = {}
COSTLY: dict[str, Callable[[str], bytes]] = {}
MEGABYTE = 1 << 20
TORCH_HEAD = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
SYSTEM_FACTS = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
COLLECTIONS_EMPTY = b"ccollections\nOrderedDict\n)R"


def running(write):
    RUNNING[write.__name__] = write
    return write


def broken(write):
    BROKEN[write.__name__] = write
    return write


def costly(write):
    COSTLY[write.__name__] = write
    return write


def text(words):
    data = words.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def whole(number):
    data = number.to_bytes((number.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def row(*numbers):
    return b"(" + b"".join(map(whole, numbers)) + b"t"


def touch(canary):
    return text(f"touch {canary}")


def opened(canary):
    """The arguments of `open(canary, "w")`."""
    return text(canary) + text("w") + b"\x86"


# Every opcode that leads to a call.


@running
def global_reduce(canary):
    return b"cos\nsystem\n" + touch(canary) + b"\x85R."


@running
def global_reduce_protocol_0(canary):
    return f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode()


@running
def stack_global_reduce(canary):
    return b"\x80\x04\x8c\x02os\x8c\x06system\x93" + touch(canary) + b"\x85R."


@running
def stack_global_of_dotted_name(canary):
    return b"\x80\x04" + text("os") + text("path.os.system") + b"\x93" + touch(canary) + b"\x85R."


@running
def instance(canary):
    return b"(" + touch(canary) + b"ios\nsystem\n."


@running
def object_opcode(canary):
    return b"(cos\nsystem\n" + touch(canary) + b"o."


@running
def new_object(canary):
    return b"\x80\x02csubprocess\nPopen\n" + text("touch") + text(canary) + b"\x86\x85\x81."


@running
def new_object_with_words(canary):
    return b"\x80\x04csubprocess\nPopen\n)}" + text("args") + text(f"touch {canary}") + b"s\x92."


@running
def build_with_setstate(canary):
    gadget = b"ctypes\nSimpleNamespace\n)R}" + text("__setstate__") + b"cos\nsystem\nsb"
    return b"\x80\x02" + gadget + touch(canary) + b"b."


@running
def build_with_class(canary):
    return (
        b"\x80\x02ctypes\nSimpleNamespace\n)R}"
        + text("__class__")
        + b"cos\nsystem\nsb"
        + touch(canary)
        + b"b."
    )


@running
def build_with_slots(canary):
    state = b"N}" + text("__setstate__") + b"cos\nsystem\ns\x86"
    return b"\x80\x02ctypes\nSimpleNamespace\n)R" + state + b"b" + touch(canary) + b"b."


@running
def build_on_a_module(canary):
    return b"\x80\x02cos\nenviron\n}" + text("x") + touch(canary) + b"sb."


@running
def build_on_a_class(canary):
    return b"\x80\x02ctorch\nTensor\n}" + text("__len__") + b"cos\nsystem\nsb" + touch(canary) + b"."


@running
def reduce_ex_of_a_dictionary(canary):
    return (
        b"\x80\x02"
        + COLLECTIONS_EMPTY
        + b"}"
        + text("__setstate__")
        + b"cos\nsystem\nsb"
        + touch(canary)
        + b"b."
    )


@running
def extension_1(canary):
    return b"\x80\x02\x82\x01" + touch(canary) + b"\x85R."


@running
def extension_2(canary):
    return b"\x80\x02\x83\x01\x01" + touch(canary) + b"\x85R."


@running
def extension_4(canary):
    return b"\x80\x02\x84\x01\x01\x01\x01" + touch(canary) + b"\x85R."


@running
def persistent_name(canary):
    return f"Pos.system touch {canary}\n.".encode()


@running
def persistent_value(canary):
    return b"cos\nsystem\n" + touch(canary) + b"\x86Q."


@running
def out_of_band_buffer(canary):
    return b"\x80\x05\x97\x98" + touch(canary) + b"\x85."


@running
def default_factory(canary):
    return b"ccollections\ndefaultdict\ncos\nsystem\n\x85R."


# What is called.


def calls(name, module, function, arguments):
    RUNNING[name] = lambda canary: (
        f"\x80\x02c{module}\n{function}\n".encode("latin-1") + arguments(canary) + b"R."
    )


calls("eval", "builtins", "eval", lambda canary: text(f"open({canary!r}, 'w')") + b"\x85")
calls("eval_of_python_2", "__builtin__", "eval", lambda canary: text(f"open({canary!r}, 'w')") + b"\x85")
calls("exec", "builtins", "exec", lambda canary: text(f"open({canary!r}, 'w')") + b"\x85")
calls("open", "builtins", "open", opened)
calls("breakpoint", "builtins", "breakpoint", lambda _: b")")
calls("run_code", "code", "InteractiveInterpreter.runcode", lambda canary: text("1") + b"\x85")
calls("popen", "os", "popen", lambda canary: touch(canary) + b"\x85")
calls("check_output", "subprocess", "check_output", lambda canary: b"]" + text("touch") + b"a" + b"\x85")
calls("import_module", "importlib", "import_module", lambda _: text("antigravity") + b"\x85")
calls("import_of_a_name", "antigravity", "webbrowser.open", lambda _: text("http://localhost") + b"\x85")
calls("torch_load", "torch", "load", lambda canary: text(canary) + b"\x85")
calls("torch_hub", "torch.hub", "load", lambda canary: text(canary) + text("x") + b"\x86")
calls("torch_compile", "torch.jit", "CompilationUnit", lambda canary: text("def f(): pass") + b"\x85")
calls("numpy_load", "numpy", "load", lambda canary: text(canary) + text("r") + b"\x88\x87")
calls("numpy_save", "numpy", "save", lambda canary: text(canary) + b"K\x01\x86")
calls("numpy_from_file", "numpy", "fromfile", lambda canary: text("/dev/zero") + b"\x85")
calls("numpy_memmap", "numpy", "memmap", lambda canary: text(canary) + text("u1") + text("w+") + b"\x87")
calls("pickle_loads", "pickle", "loads", lambda canary: pickle.dumps(global_reduce(canary))[2:-1] + b"\x85")
calls("marshal_loads", "marshal", "loads", lambda _: b"C\x01c\x85")
calls("remove_folder", "shutil", "rmtree", lambda canary: text(canary) + b"\x85")
calls("codec_by_name", "_codecs", "encode", lambda canary: text(canary) + text("zip") + b"\x86")
calls("codec_object", "codecs", "open", opened)
calls("exit", "os", "_exit", lambda _: b"K\x00\x85")


@running
def imported_attribute(canary):
    module = b"cbuiltins\n__import__\n" + text("os") + b"\x85R"
    return b"\x80\x02cbuiltins\ngetattr\n" + module + text("system") + b"\x86R" + touch(canary) + b"\x85R."


@running
def nested_reduce(canary):
    inner = b"cbuiltins\ncompile\n" + text(f"open({canary!r}, 'w')") + text("x") + text("exec") + b"\x87R"
    return b"\x80\x02cbuiltins\nexec\n" + inner + b"\x85R."


@running
def partial(canary):
    return b"\x80\x02cfunctools\npartial\ncos\nsystem\n" + touch(canary) + b"\x86R)R."


@running
def attribute_getter(canary):
    getter = b"coperator\nattrgetter\n" + text("system") + b"\x85R"
    return b"\x80\x02" + getter + b"cos\n__name__\n\x85R" + touch(canary) + b"\x85R."


@running
def mapped(canary):
    row_of_words = b"]" + touch(canary) + b"a"
    return b"\x80\x02cbuiltins\nlist\ncbuiltins\nmap\ncos\nsystem\n" + row_of_words + b"\x86R\x85R."


@running
def record_as_items(canary):
    return b"\x80\x02ccollections\nOrderedDict\ncos\nsystem\n" + touch(canary) + b"\x85R\x85R."


@running
def old_style_object(canary):
    return b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\n" + touch(canary) + b"tR."


@running
def deep_chain(canary):
    return b"\x80\x02" + b"cos\nsystem\n" * 100 + touch(canary) + b"\x85R" * 100 + b"."


# Code where a checkpoint has data.


def nested_file(data):
    return b"\x80\x03ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(data)) + data + b"\x85R."


@running
def nested_pickle(canary):
    return nested_file(global_reduce(canary))


@running
def nested_torch_file(canary):
    return nested_file(TORCH_HEAD + SYSTEM_FACTS + global_reduce(canary) + pickle.dumps([], 2))


@running
def nested_archive(canary):
    return nested_file(archive(global_reduce(canary)))


@running
def torch_file(canary):
    return TORCH_HEAD + SYSTEM_FACTS + global_reduce(canary) + pickle.dumps([], 2)


@running
def torch_file_with_keys(canary):
    return TORCH_HEAD + SYSTEM_FACTS + pickle.dumps({}, 2) + global_reduce(canary)


@running
def torch_file_with_module(canary):
    saved = b"(" + text("module") + b"cos\nsystem\n" + text("x.py") + touch(canary) + b"tQ"
    return TORCH_HEAD + SYSTEM_FACTS + b"\x80\x02" + saved + touch(canary) + b"\x85R." + pickle.dumps([], 2)


@running
def torch_archive(canary):
    return archive(global_reduce(canary))


@running
def tensor_by_function(canary):
    return b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN" + touch(canary) + b"\x85NtR."


@running
def tensor_with_hooks(canary):
    hooks = b"cos\nsystem\n" + touch(canary) + b"\x85R"
    data = pickle.dumps(torch.zeros(2).untyped_storage(), 2)[2:-1]
    return b"\x80\x02" + REBUILD + b"(" + data + b"K\x00" + row(2) + row(1) + b"\x88" + hooks + b"tR."


@running
def array_of_objects(canary):
    class Gadget:
        def __reduce__(self):
            return exec, (f"open({canary!r}, 'w')",)

    return pickle.dumps(np.array([Gadget()], dtype=object))


@running
def array_type_of_objects(canary):
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    dtype = b"cnumpy\ndtype\n" + text("O8") + b"K\x00K\x01\x87R"
    return (
        b"\x80\x03"
        + array
        + b"(K\x01K\x01\x85"
        + dtype
        + b"\x89]cos\nsystem\n"
        + touch(canary)
        + b"\x85Ratb."
    )


@running
def scalar_of_objects(canary):
    dtype = b"cnumpy\ndtype\n" + text("O") + b"\x89\x88\x87R"
    gadget = global_reduce(canary)
    data = b"B" + struct.pack("<I", len(gadget)) + gadget
    return b"\x80\x03cnumpy.core.multiarray\nscalar\n" + dtype + data + b"\x86R."


@running
def source_of_a_persistent_module(canary):
    return genuine.nvidia(2).replace(text(genuine.SOURCE), text(f"open({canary!r}, 'w')"))


@running
def source_of_a_tensorflow_network(canary):
    return genuine.tensorflow(2).replace(text(genuine.SOURCE), text(f"open({canary!r}, 'w')"))


@running
def code_after_the_end(canary):
    return pickle.dumps({"a": 1}) + global_reduce(canary)


# Torch storages and tensors.


def archive(program, entries=(), *, root="archive"):
    """A zip archive as PyTorch lays it out."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        packed.writestr(f"{root}/data.pkl", program)
        packed.writestr(f"{root}/byteorder", "little")
        for name, data in entries:
            packed.writestr(name, data)
    return sink.getvalue()


def storage(count, key="0", kind="FloatStorage"):
    return (
        b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + whole(count) + b"tQ"
    )


def tensor(count, first, shape, strides, key="0"):
    facts = whole(first) + row(*shape) + row(*strides) + b"\x89" + COLLECTIONS_EMPTY
    return REBUILD + b"(" + storage(count, key) + facts + b"tR"


TENSORS = {  # of a storage of 4 floats: count, first element, shape, strides
    "more_data_than_there_is": (1 << 20, 0, (4,), (1,)),
    "more_data_than_memory": (1 << 60, 0, (4,), (1,)),
    "negative_count": (-4, 0, (4,), (1,)),
    "size_beyond_data": (4, 0, (5,), (1,)),
    "size_far_beyond_data": (4, 0, (1 << 40,), (1,)),
    "size_that_overflows": (4, 0, (1 << 32, 1 << 32), (1, 1)),
    "size_of_no_stride": (4, 0, (1 << 40,), (0,)),
    "size_beyond_64_bits": (4, 0, (1 << 70,), (0,)),
    "stride_beyond_data": (4, 0, (2, 2), (1 << 40, 1)),
    "stride_that_overflows": (4, 0, (3, 2), (1 << 62, 1)),
    "negative_stride": (4, 3, (4,), (-1,)),
    "negative_size": (4, 0, (-4,), (1,)),
    "offset_beyond_data": (4, 1, (4,), (1,)),
    "negative_offset": (4, -1, (4,), (1,)),
    "fewer_strides_than_sizes": (4, 0, (2, 2), (1,)),
    "too_many_dimensions": (4, 0, (1,) * 100, (1,) * 100),
}


def tensor_file(facts):
    return archive(b"\x80\x02" + tensor(*facts) + b".", [("archive/data/0", bytes(16))])


def old_tensor_file(facts):
    program = b"\x80\x02" + tensor(*facts) + b"."
    return TORCH_HEAD + SYSTEM_FACTS + program + pickle.dumps(["0"], 2) + struct.pack("<q", 4) + bytes(16)


for _name, _facts in TENSORS.items():
    BROKEN[f"{_name}_in_an_archive"] = lambda _, facts=_facts: tensor_file(facts)
    BROKEN[f"{_name}_in_a_stream"] = lambda _, facts=_facts: old_tensor_file(facts)


@broken
def tensor_without_data(_):
    return archive(b"\x80\x02" + tensor(4, 0, (4,), (1,), key="9") + b".")


@broken
def key_that_climbs(_):
    return archive(b"\x80\x02" + tensor(4, 0, (4,), (1,), key="../data.pkl") + b".")


@broken
def same_data_as_two_types(_):
    program = b"\x80\x02" + storage(4) + storage(4, kind="IntStorage") + b"\x86."
    return archive(program, [("archive/data/0", bytes(16))])


@broken
def stream_without_its_data(_):
    return TORCH_HEAD + SYSTEM_FACTS + b"\x80\x02" + tensor(4, 0, (4,), (1,)) + b"." + pickle.dumps([], 2)


@broken
def stream_with_data_of_another_size(_):
    return old_tensor_file((4, 0, (4,), (1,)))[:-24] + struct.pack("<q", 1 << 60) + bytes(16)


@broken
def view_beyond_data(_):
    view = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + whole(4)
    program = b"\x80\x02" + view + b"(" + text("1") + whole(2) + whole(1 << 40) + b"ttQ."
    return TORCH_HEAD + SYSTEM_FACTS + program + pickle.dumps(["0"], 2) + struct.pack("<q", 4) + bytes(16)


@broken
def big_endian_archive(_):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        packed.writestr("archive/data.pkl", pickle.dumps({}))
        packed.writestr("archive/byteorder", "big")
    return sink.getvalue()


# NumPy arrays.


def array(shape, dtype, data):
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    kind = (
        b"cnumpy\ndtype\n"
        + text(dtype)
        + b"\x89\x88\x87R(K\x03"
        + text("<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    return empty + b"(K\x01" + row(*shape) + kind + b"\x89B" + struct.pack("<I", len(data)) + data + b"tb"


ARRAYS = {
    "array_larger_than_its_data": ((1 << 40,), "f4"),
    "array_whose_size_overflows": ((1 << 32, 1 << 32), "f4"),
    "array_of_negative_size": ((-4,), "f4"),
    "array_of_giant_items": ((1,), "V1000000000000"),
    "array_of_giant_text": ((1,), "U500000000"),
    "array_of_fields": ((1,), "f4,O,(1000000,1000000)f8"),
    "array_of_dates": ((2,), "M8[ns]"),
    "array_of_unknown_type": ((4,), "os.system"),
    "array_of_too_many_dimensions": ((1,) * 60, "f4"),
}
for _name, _facts in ARRAYS.items():
    BROKEN[_name] = lambda _, facts=_facts: b"\x80\x03" + array(*facts, bytes(16)) + b"."


@broken
def array_filled_twice(_):
    filled = array((4,), "f4", bytes(16))
    return b"\x80\x03" + filled + b"(K\x01K\x01\x85NNNtb."


# Bombs.


@broken
def billion_laughs_of_lists(_):
    levels = (b"](" + bytes([0x68, n]) * 10 + b"e" + bytes([0x71, n + 1]) for n in range(40))
    return b"\x80\x02]q\x00" + b"".join(levels) + b"."


@broken
def doubled_tuples(_):
    return b"\x80\x02)" + b"2\x86" * 5000 + b"."


@broken
def doubled_dictionaries(_):
    levels = (b"}\x94(K\x00" + bytes([0x68, n]) + b"K\x01" + bytes([0x68, n]) + b"u" for n in range(100))
    return b"\x80\x04}\x94" + b"".join(levels) + b"."


@broken
def hash_of_doubled_tuples(_):
    return b"\x80\x02}K\x01" + b"2\x86" * 100 + b"K\x01s."


@broken
def list_that_holds_itself(_):
    return b"\x80\x02]q\x00h\x00a."


@broken
def record_that_holds_itself(_):
    return b"\x80\x02cos\nPathLike\n)\x81q\x00}" + text("x") + b"h\x00sb."


@broken
def deep_lists(_):
    return b"]" * 90_000 + b"a" * 89_999 + b"."


@broken
def deep_tuples(_):
    return b"\x80\x02)" + b"\x85" * 190_000 + b"."


@broken
def deep_records(_):
    return b"\x80\x02cx\ny\nq\x00" + b"h\x00)\x81" * 45_000 + b"b" * 44_999 + b"."


@broken
def many_marks(_):
    return b"(" * 10 * MEGABYTE


@broken
def many_sets(_):
    return b"\x80\x04" + b"\x8f" * 10 * MEGABYTE


@costly
def many_dictionaries(_):
    return b"\x80\x04(" + b"}" * 199_000 + b"l."


@costly
def many_records(_):
    return b"\x80\x04cx\ny\n\x94(" + b"h\x00)\x81" * 66_000 + b"l."


@costly
def many_memos_of_dictionaries(_):
    return b"\x80\x04(" + b"}\x94" * 99_000 + b"l."


@costly
def many_texts(_):
    return b"\x80\x04(" + b"\x8c\x02\xc3\xa9" * 199_000 + b"l."


@costly
def many_small_tensors(_):
    facts = b"(h\x00K\x00" + row(1) + row(1) + b"\x89" + COLLECTIONS_EMPTY + b"t"
    program = b"\x80\x02" + storage(4) + b"q\x000" + REBUILD + b"q\x01" + facts + b"q\x02"
    return archive(program + b"(" + b"h\x01h\x02R" * 66_000 + b"l.", [("archive/data/0", bytes(16))])


@costly
def many_small_arrays(_):
    return b"\x80\x03(" + array((4,), "f4", bytes(16)) * 5_000 + b"l."


@costly
def one_nested_file_many_times(_):
    return nested_file_many_times(torch.zeros(4), 1000)


@broken
def many_memos(_):
    return b"\x80\x04]" + b"\x94" * 10 * MEGABYTE


@broken
def many_copies_of_a_list(_):
    return (
        b"\x80\x02("
        + b"K\x01" * 100_000
        + b"lq\x000cbuiltins\nlist\nq\x01("
        + b"h\x01h\x00\x85R" * 20_000
        + b"l."
    )


@broken
def many_decoded_texts(_):
    words = text("a" * 8 * MEGABYTE)
    return (
        b"\x80\x02"
        + words
        + text("latin1")
        + b"\x86q\x000c_codecs\nencode\nq\x01("
        + b"h\x01h\x00R" * 1000
        + b"l."
    )


@broken
def many_views_of_one_tensor(_):
    data = bytes(16 * MEGABYTE)
    facts = b"(h\x00K\x00" + row(4 * MEGABYTE) + row(1) + b"\x89" + COLLECTIONS_EMPTY + b"t"
    program = (
        b"\x80\x02"
        + storage(4 * MEGABYTE)
        + b"q\x000"
        + REBUILD
        + b"q\x01"
        + facts
        + b"q\x02("
        + b"h\x01h\x02R" * 1000
        + b"l."
    )
    return archive(program, [("archive/data/0", data)])


@broken
def files_nested_where_each_has_its_version(_):
    data = pickle.dumps(1001, 2)
    for _level in range(300):
        data = nested_file(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + data)
    return data


@broken
def one_large_nested_file_many_times(_):
    return nested_file_many_times(torch.zeros(MEGABYTE), 1000)


def nested_file_many_times(value, count):
    sink = io.BytesIO()
    torch.save(value, sink, _use_new_zipfile_serialization=False)
    data = b"B" + struct.pack("<I", sink.tell()) + sink.getvalue()
    program = b"\x80\x03ctorch.storage\n_load_from_bytes\nq\x00" + data + b"\x85q\x01("
    return program + b"h\x00h\x01R" * count + b"l."


@broken
def text_of_giant_characters(_):
    return (
        b"\x80\x02" + text("a" * (15 * MEGABYTE) + "\U0001f600") + b"q\x00" + text("b" * 17 * MEGABYTE) + b"."
    )


@broken
def numbers_with_one_hash(_):
    prime = (1 << 61) - 1
    return b"\x80\x02}(" + b"".join(whole(prime * n) + b"N" for n in range(50_000)) + b"u."


@broken
def number_of_ten_million_digits(_):
    return b"L" + b"9" * 10_000_000 + b"L\n."


@broken
def line_without_end(_):
    return b"c" + b"os" * 8 * MEGABYTE


LENGTHS = {
    "giant_number": b"\x8b\xff\xff\xff\x7f",
    "negative_number_length": b"\x8b\xff\xff\xff\xff",
    "giant_bytes": b"\x8e" + struct.pack("<Q", 1 << 62),
    "giant_bytes_of_32_bits": b"B\xff\xff\xff\xff",
    "giant_byte_array": b"\x96" + struct.pack("<Q", 1 << 40),
    "giant_text": b"\x8d" + struct.pack("<Q", (1 << 64) - 1),
    "giant_text_of_32_bits": b"X\xff\xff\xff\xff",
    "giant_old_text": b"T\xff\xff\xff\x7f",
    "negative_old_text": b"T\xff\xff\xff\xff",
    "giant_frame": b"\x95" + struct.pack("<Q", 1 << 62),
}
for _name, _head in LENGTHS.items():
    BROKEN[_name] = lambda _, head=_head: b"\x80\x04" + head + b"x" * 100 + b"."


# Zip archives.


@broken
def entry_that_climbs(canary):
    return archive(pickle.dumps({}), [(f"archive/../../{canary}", "x")])


@broken
def entry_from_the_root(canary):
    return archive(pickle.dumps({}), [(canary, "x")])


@broken
def entry_with_backslashes(_):
    return archive(pickle.dumps({}), [("archive\\..\\..\\x", "x")])


@broken
def two_roots(_):
    return archive(pickle.dumps({}), [("other/data.pkl", pickle.dumps({}))])


@broken
def entry_that_is_a_link(canary):
    link = zipfile.ZipInfo("archive/data/0")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return archive(b"\x80\x02" + storage(4) + b".", [(link, canary)])


@broken
def entry_twice(_):
    program, sink = pickle.dumps({}), io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        packed.writestr("archive/data.pkl", program)
        packed.filelist.append(packed.getinfo("archive/data.pkl"))
    return sink.getvalue()


@broken
def packed_bomb(_):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("archive/data.pkl", b"\x80\x02" + storage(100 * MEGABYTE, kind="ByteStorage") + b".")
        packed.writestr("archive/data/0", bytes(100 * MEGABYTE))
    return sink.getvalue()


@broken
def archive_without_a_pickle(_):
    return archive(b"x", root="y").replace(b"data.pkl", b"data.xxx")


@broken
def archive_with_something_after_it(_):
    return archive(pickle.dumps({})) + b"x"


@broken
def archive_of_many_entries(_):
    line = b"PK\x01\x02" + bytes(42)
    count = 5 * MEGABYTE // len(line)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, count * len(line), 4, 0)
    return b"PK\x03\x04" + line * count + end


def patched(field, value, form="<L"):
    """An archive of which the first line of the directory has `value` at `field`."""
    data = bytearray(archive(pickle.dumps({})))
    struct.pack_into(form, data, data.index(b"PK\x01\x02") + field, value)
    return bytes(data)


PATCHES = {
    "encrypted_entry": (8, 1, "<H"),
    "entry_of_unknown_packing": (10, 99, "<H"),
    "entry_of_wrong_checksum": (16, 1, "<L"),
    "entry_of_two_sizes": (20, 1 << 30, "<L"),
    "entry_of_longest_name": (28, 65535, "<H"),
    "entry_beyond_the_end": (42, 1 << 30, "<L"),
    "entry_inside_another": (42, 7, "<L"),
    "directory_without_a_mark": (0, 0, "<L"),
}
for _name, _patch in PATCHES.items():
    BROKEN[_name] = lambda _, patch=_patch: patched(*patch)


@broken
def entry_larger_than_the_file(_):
    data = bytearray(archive(pickle.dumps({})))
    place = data.index(b"PK\x01\x02")
    struct.pack_into("<2L", data, place + 20, 1 << 30, 1 << 30)
    return bytes(data)


@broken
def overlapping_entries(_):
    data = bytearray(archive(b"\x80\x02}.", [("archive/data/0", bytes(16))]))
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<2L", data, second + 20, 1 << 10, 1 << 10)
    return bytes(data)


@broken
def directory_beyond_the_end(_):
    data = bytearray(archive(pickle.dumps({})))
    struct.pack_into("<L", data, len(data) - 6, 1 << 31)
    return bytes(data)


@broken
def directory_of_64_bits_beyond_the_end(_):
    data = archive(pickle.dumps({}))
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 1 << 62, 1)
    return data[:-22] + locator + data[-22:]


CUTS = {  # name → the genuine file, and how many percent of it are left
    f"{name}-{percent}%": (name, percent) for name in genuine.WRITERS for percent in range(10, 100, 10)
}


def truncated():
    """Genuine files cut at every 10 %."""
    whole = {name: write() for name, write in genuine.WRITERS.items()}
    return {cut: whole[name][: len(whole[name]) * percent // 100] for cut, (name, percent) in CUTS.items()}


def flipped(count, seed=0):
    """Genuine files of which one bit is another."""
    rng = np.random.default_rng(seed)
    files = {}
    for name, write in genuine.WRITERS.items():
        data = write()
        for number in range(count):
            changed = bytearray(data)
            changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
            files[f"{name}-bit-{number}"] = bytes(changed)
    return files


def mistaken():
    """Files whose opcodes are sound, and which have other things where a generator has its parts."""
    files = {
        "keys_with_control_characters": pickle.dumps({"a\nb\x1b[31m": 1}),
        "weights_that_are_numbers": pickle.dumps({"g_ema": {"input.input": 1, 5: 2}}),
        "weights_that_are_a_list": pickle.dumps({"g_ema": []}),
        "two_networks": pickle.dumps((1, 2, 3)),
    }
    persistent = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n"
    for name, facts in PERSISTENT.items():
        program = b"\x80\x02}" + text("G_ema") + persistent + _program(facts) + b"\x85Rs."
        files[f"persistent_{name}"] = program
    for name, state in TENSORFLOW.items():
        network = b"cdnnlib.tflib.network\nNetwork\n)\x81" + _program(state) + b"b"
        files[f"tensorflow_{name}"] = b"\x80\x02(" + network * 3 + b"t."
    return files


def _program(value):
    return pickletools.optimize(pickle.dumps(value, 2))[2:-1]


def _module(**state):
    return {"type": "class", "version": 6, "module_src": "", "class_name": "Generator", "state": state}


def _network(**state):
    return {"version": 4, "name": "Gs", "static_kwargs": {}, "components": {}, "variables": [], **state}


PERSISTENT = {
    "without_facts": {},
    "facts_that_are_a_number": 5,
    "state_that_is_a_list": {"class_name": "Generator", "state": []},
    "class_that_is_a_number": {"class_name": 5, "state": {}},
    "modules_that_are_a_list": _module(_modules=[1]),
    "modules_that_are_numbers": _module(_modules={"synthesis": 1}),
    "parameters_that_are_a_number": _module(_modules={}, _parameters=5, _buffers={}),
    "parameters_that_are_texts": _module(_modules={}, _parameters={"a": "b"}, _buffers={}),
    "options_that_are_texts": _module(
        _modules={}, _parameters={}, _buffers={}, _init_args=(), _init_kwargs={"img_resolution": "x"}
    ),
}
TENSORFLOW = {
    "without_facts": {},
    "state_that_is_a_number": 5,
    "variables_that_are_a_number": _network(variables=5),
    "variables_that_are_numbers": _network(variables=[1, 2]),
    "variables_of_three": _network(variables=[("a", 1, 2)]),
    "variables_without_names": _network(variables=[(1, 2)]),
    "components_that_are_a_list": _network(components=[]),
    "components_that_are_numbers": _network(components={"mapping": 5}),
    "options_that_are_a_list": _network(static_kwargs=[]),
    "options_of_giant_size": _network(static_kwargs={"resolution": 1 << 60}),
}


def safetensors():
    """Hostile files in the format of safetensors."""

    def file(header, data=bytes(16)):
        return struct.pack("<Q", len(header)) + header + data

    def noted(words):
        return file(json.dumps({"__metadata__": {"d2animator": words}}).encode(), b"")

    entry = b'"a":{"dtype":"F32","shape":[4],"data_offsets":[0,%d]}'
    one = b"{" + entry % 16 + b"}"
    ours = {"format": "d2animator StyleGAN2", "origin": {}}
    return {
        "header_of_exabytes": struct.pack("<Q", 1 << 60) + b"{}",
        "header_beyond_the_end": struct.pack("<Q", 1 << 20) + b"{}",
        "header_that_is_no_json": file(b"cos\nsystem\n"),
        "deep_header": file(b'{"a":' * 100_000),
        "offsets_beyond_the_end": file(b"{" + entry % (1 << 40) + b"}"),
        "overlapping_offsets": file(b"{" + entry % 16 + b"," + (entry % 16).replace(b"a", b"b", 1) + b"}"),
        "shape_that_overflows": file(one.replace(b"[4]", b"[4294967296,4294967296,4]")),
        "negative_offsets": file(one.replace(b"[0,", b"[-16,")),
        "unknown_type": file(one.replace(b"F32", b"O64")),
        "hole_in_the_data": file(one, bytes(1 << 20)),
        "facts_that_are_no_json": noted("cos\nsystem\n"),
        "facts_that_are_a_list": noted("[]"),
        "deep_facts": noted("[" * 100_000),
        "architecture_that_is_a_list": noted(json.dumps({**ours, "architecture": []})),
        "architecture_of_giant_numbers": noted(
            json.dumps({**ours, "architecture": {"resolution": 1 << 80, "z_dim": -1, "layers": 1 << 60}})
        ),
        "architecture_without_tensors": noted(json.dumps({**ours, "architecture": {"resolution": 64}})),
    }
