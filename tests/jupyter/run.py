"""Kernels started and driven by jupyter_client and nbclient: one line for each check, exit code 1 if one fails.

The library, if one is named, was preloaded by the caller; the kernels inherit it. Both sides are asked where their functions
come from. Nothing is waited for by sleeping: every wait is for a condition and has a limit, and so has every check.
"""

import argparse
import asyncio
import base64
import contextlib
import os
import pathlib
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

WAIT_SECONDS_MAX = 30
CHECK_SECONDS_MAX = 60
BIG_LINES = 40_000
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000

# What a process says about itself: its number, the version, and the file that pyzmq's functions come from.
WHERE = """
import ctypes, os, zmq
import zmq.backend.cython._zmq as _extension
class _Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("file", "base", "name", "address")]
def _where(preloaded):
    scope = ctypes.CDLL(None) if preloaded else ctypes.CDLL(_extension.__file__)
    info = _Info()
    ctypes.CDLL(None).dladdr(ctypes.cast(scope.zmq_ctx_new, ctypes.c_void_p), ctypes.byref(info))
    return os.getpid(), zmq.zmq_version(), os.path.realpath(ctypes.string_at(info.file).decode())
"""


def wait_until(condition, what, seconds_max=WAIT_SECONDS_MAX):
    """Asks until the condition holds."""
    limit = time.monotonic() + seconds_max
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"not within {seconds_max} s: {what}")
        threading.Event().wait(0.02)


def equal(found, expected, what):
    assert found == expected, f"{what}: {str(found)[:300]!r}, not {str(expected)[:300]!r}"


def new_manager(**options):
    from jupyter_client import KernelManager

    return KernelManager(kernel_name="python3", **options)


@contextlib.contextmanager
def running(manager=None, **options):
    """A kernel and a blocking client of it; whatever happens, the kernel is gone afterwards."""
    manager = manager or new_manager(**options)
    manager.start_kernel()
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=WAIT_SECONDS_MAX)
        yield manager, client
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


def run(client, code, **options):
    """Executes the code and collects what it puts out: the reply's content, and the text of stdout."""
    text = []

    def collect(message):
        if message["msg_type"] == "stream":
            text.append(message["content"]["text"])

    reply = client.execute_interactive(code, timeout=WAIT_SECONDS_MAX, output_hook=collect, **options)
    return reply["content"], "".join(text)


def printed(client, code, **options):
    content, text = run(client, code, **options)
    equal(content["status"], "ok", f"the status of {code!r} ({content.get('evalue')})")
    return text.rstrip("\n")


def start_cell(client, code):
    """Sends a cell that prints 'started', and returns its message id when it has. Its error aborts nothing that follows."""
    asked = client.execute(code, stop_on_error=False)
    limit = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < limit:
        message = client.get_iopub_msg(timeout=WAIT_SECONDS_MAX)
        if message["parent_header"].get("msg_id") == asked and "started" in message["content"].get("text", ""):
            return asked
    raise AssertionError("the cell did not start")


def reply_to(receive, asked):
    while True:
        reply = receive(timeout=WAIT_SECONDS_MAX)
        if reply["parent_header"].get("msg_id") == asked:
            return reply["content"]


def process_of(manager):
    return manager.provisioner.process


def is_mapped(pid, library):
    return str(library) in pathlib.Path(f"/proc/{pid}/maps").read_text()


def check_library(library):
    """The client process and the kernel process run on the library that was asked for, and not on another."""
    names = {}
    exec(WHERE, names)
    with running() as (manager, client):
        answer = printed(client, f"{WHERE}\nprint(*_where({bool(library)}), sep='\\n')")
        kernel = answer.split("\n")
        equal(int(kernel[0]), process_of(manager).pid, "the kernel's process")
        for side, (pid, version, file) in (("client", names["_where"](bool(library))), ("kernel", kernel)):
            equal(version, "4.3.5", f"the {side}'s version")
            if library:
                assert is_mapped(pid, library), f"{library} is not mapped in the {side}, {pid}"
                equal(file, str(library), f"where the {side}'s functions come from")
            else:
                assert not is_mapped(pid, "libmonocoque"), f"the {side} has monocoque mapped"
            print(f"    {side} {pid}: {version} from {file}")
        if library:
            printed(client, "count = ctypes.c_uint64()\nassert ctypes.CDLL(None).monocoque_counter(b'reads', ctypes.byref(count)) == 0")
            assert int(printed(client, "print(count.value)")) > 0, "the kernel's library has read nothing"


def notebook_cells():
    """Pairs of a cell and the check of its outputs."""

    def stream(expected, name="stdout"):
        def check(outputs):
            # How many messages a long output comes in is the kernel's affair.
            equal({(output.output_type, output.get("name")) for output in outputs}, {("stream", name)}, "outputs")
            equal("".join(output.text for output in outputs), expected, "stream")

        return check

    def result(expected, kind="execute_result", mime="text/plain"):
        def check(outputs):
            equal([output.output_type for output in outputs], [kind], "outputs")
            equal(outputs[0].data[mime], expected, mime)

        return check

    def error(name, value=None):
        def check(outputs):
            equal([output.output_type for output in outputs], ["error"], "outputs")
            equal(outputs[0].ename, name, "the error")
            assert value in (None, outputs[0].evalue), outputs[0].evalue

        return check

    def picture(outputs):
        equal(base64.b64decode(outputs[0].data["image/png"]), PICTURE, "the picture")

    line = "0123456789abcdef" * 8 + "\n"
    concurrent = """
import asyncio
async def step(number):
    await asyncio.sleep(0.01)
    return number * number
await asyncio.gather(*(step(number) for number in range(5)))
"""
    forked = """
import os, sys
child = os.fork()
if not child:
    print("from the child", flush=True)
    os._exit(0)
os.waitpid(child, 0)[1]
"""

    def from_both(outputs):
        text = "".join(output.text for output in outputs if output.output_type == "stream")
        exits = [output.data["text/plain"] for output in outputs if output.output_type == "execute_result"]
        equal((text, exits), ("from the child\n", ["0"]), "the child's text and its exit")

    return [
        ("x = 6 * 7\nprint(x)", stream("42\n")),
        ("x + 1", result("43")),
        ("from IPython.display import HTML, display\ndisplay(HTML('<b>bold</b>'))", result("<b>bold</b>", "display_data", "text/html")),
        ("1 / 0", error("ZeroDivisionError", "division by zero")),
        ("input('name? ')", error("StdinNotImplementedError")),
        ("import sys\nprint('to stderr', file=sys.stderr)", stream("to stderr\n", "stderr")),
        (f"print({line!r} * {BIG_LINES}, end='')", stream(line * BIG_LINES)),
        (f"for number in range({BIG_LINES}): print(number)", stream("".join(f"{number}\n" for number in range(BIG_LINES)))),
        (f"'y' * {3 << 20}", result(repr("y" * (3 << 20)))),
        (concurrent, result("[0, 1, 4, 9, 16]")),
        ("display({'image/png': b'\\x89PNG\\r\\n\\x1a\\n' + bytes(range(256)) * 1000}, raw=True)", picture),
        ("shown = display('before', display_id=True)\nshown.update('after')", result("'after'", "display_data")),
        ("from IPython.display import clear_output\nprint('old')\nclear_output(wait=True)\nprint('new')", stream("new\n")),
        ("import subprocess\nsubprocess.check_output(['echo', 'of a process'])", result("b'of a process\\n'")),
        (forked, from_both),
        ("x", result("42")),
    ]


def check_notebook(library):
    """nbclient executes a notebook, and every output is what the cell puts out."""
    import nbformat
    from nbclient import NotebookClient

    cells = notebook_cells()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# The cells")])
    notebook.cells += [nbformat.v4.new_code_cell(source) for source, _ in cells]
    for cell in notebook.cells[4:6]:
        cell.metadata["tags"] = ["raises-exception"]
    NotebookClient(notebook, timeout=WAIT_SECONDS_MAX, kernel_name="python3").execute()
    nbformat.validate(notebook)
    for number, (cell, (source, check)) in enumerate(zip(notebook.cells[1:], cells), 1):
        equal(cell.execution_count, number, f"the number of {source[:40]!r}")
        try:
            check(cell.outputs)
        except Exception as exception:
            raise AssertionError(f"cell {number}, {source[:60]!r}: {exception!r}") from None


def check_notebook_limits(library):
    """nbclient interrupts a cell that takes too long and goes on, and notices a kernel that dies in a cell."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    sources = ["import time\ntime.sleep(600)", "'goes on'"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=2, interrupt_on_timeout=True, allow_errors=True, kernel_name="python3").execute()
    equal(notebook.cells[0].outputs[-1].ename, "KeyboardInterrupt", "the cell that took too long")
    equal(notebook.cells[1].outputs[0].data["text/plain"], "'goes on'", "the next cell")

    dying = nbformat.v4.new_code_cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    try:
        NotebookClient(nbformat.v4.new_notebook(cells=[dying]), timeout=WAIT_SECONDS_MAX, kernel_name="python3").execute()
    except DeadKernelError:
        return
    raise AssertionError("the kernel's death was not noticed")


def check_blocking_client(library):
    """Requests of all kinds on shell, control and stdin; silent and stored executions; binary buffers to and fro."""
    with running() as (_, client):
        answered = []

        def answer(message):
            answered.append(message["content"]["prompt"])
            client.input("Ada")

        text = printed(client, "print('hello', input('name? '))", allow_stdin=True, stdin_hook=answer)
        equal((answered, text), (["name? "], "hello Ada"), "what stdin gave")
        content, _ = run(client, "value = 5", user_expressions={"double": "value * 2"})
        equal(content["user_expressions"]["double"]["data"]["text/plain"], "10", "a user expression")
        matches = reply_to(client.get_shell_msg, client.complete("val"))["matches"]
        assert "value" in matches, matches
        assert reply_to(client.get_shell_msg, client.inspect("value"))["found"], "inspect"
        equal(reply_to(client.get_shell_msg, client.is_complete("for x in y:"))["status"], "incomplete", "is_complete")
        equal(client.kernel_info(reply=True, timeout=WAIT_SECONDS_MAX)["content"]["implementation"], "ipython", "kernel_info")
        check_buffers(client)
        # A burst: the replies come in the order of the requests.
        asked = [client.execute(f"{number}", store_history=False) for number in range(200)]
        replies = [client.get_shell_msg(timeout=WAIT_SECONDS_MAX)["parent_header"]["msg_id"] for _ in asked]
        equal(replies, asked, "the order of the replies")


def check_buffers(client):
    """A comm message with large buffers, echoed: each is a frame of its own."""
    target = """
def opened(comm, message):
    comm.send({"sizes": [len(buffer) for buffer in message["buffers"]]}, buffers=message["buffers"])
get_ipython().kernel.comm_manager.register_target("echo", opened)
"""
    printed(client, target)
    buffers = [b"", os.urandom(1), os.urandom(2_000_000), b"\0" * 70_000]
    content = {"comm_id": "1", "target_name": "echo", "data": {}}
    message = client.session.msg("comm_open", content)
    client.session.send(client.shell_channel.socket, message, buffers=buffers)
    while True:
        echoed = client.get_iopub_msg(timeout=WAIT_SECONDS_MAX)
        if echoed["msg_type"] == "comm_msg":
            break
    equal(echoed["content"]["data"]["sizes"], [len(buffer) for buffer in buffers], "the sizes that came")
    assert [bytes(buffer) for buffer in echoed["buffers"]] == buffers, "the buffers changed on their way"


def check_interrupt(library):
    """A running cell is interrupted, by signal and by message, and the kernel goes on with its state."""
    with running() as (manager, client):
        printed(client, "import time\nkept = 7")
        for mode in ("signal", "message"):
            manager.kernel_spec.interrupt_mode = mode
            asked = start_cell(client, "print('started', flush=True)\ntime.sleep(600)")
            manager.interrupt_kernel()
            equal(reply_to(client.get_shell_msg, asked).get("ename"), "KeyboardInterrupt", f"the cell's reply, by {mode}")
            equal(printed(client, "print(kept)"), "7", "the state")
        # While the main thread does not let go, a subshell answers.
        asked = start_cell(client, "print('started', flush=True)\nwhile kept == 7: time.sleep(0.01)")
        request = client.session.msg("create_subshell_request", {})
        client.control_channel.send(request)
        subshell = reply_to(client.get_control_msg, request["header"]["msg_id"])["subshell_id"]
        request = client.session.msg("execute_request", {"code": "kept = 8", "silent": False})
        request["header"]["subshell_id"] = subshell
        client.shell_channel.send(request)
        # The replies come in either order.
        replies = [client.get_shell_msg(timeout=WAIT_SECONDS_MAX) for _ in range(2)]
        statuses = {reply["parent_header"]["msg_id"]: reply["content"]["status"] for reply in replies}
        equal(statuses, {asked: "ok", request["header"]["msg_id"]: "ok"}, "the two cells")


def check_restart(library):
    """After a restart, kind or not, the process is another, the state is gone, and the client's connections serve on."""
    with running() as (manager, client):
        ports = manager.get_connection_info()
        for now in (False, True):
            printed(client, "kept = 7")
            before = process_of(manager)
            manager.restart_kernel(now=now)
            client.wait_for_ready(timeout=WAIT_SECONDS_MAX)
            assert process_of(manager).pid != before.pid and before.returncode is not None, "the process is the old one"
            equal(run(client, "kept")[0].get("ename"), "NameError", "the state after the restart")
            equal(manager.get_connection_info(), ports, "the connection")


def check_shutdown(library):
    """A kernel ends by itself when it is asked to, by its manager or by a client."""
    with running() as (manager, client):
        process = process_of(manager)
        manager.shutdown_kernel(now=False)
        equal(process.returncode, 0, "the exit code")
        assert not manager.is_alive() and not pathlib.Path(f"/proc/{process.pid}").exists(), "the process is there"
    with running() as (manager, client):
        process = process_of(manager)
        asked = client.shutdown()
        equal(reply_to(client.get_control_msg, asked)["status"], "ok", "the reply")
        wait_until(lambda: process.poll() is not None, "the kernel ends after a client's request")
        equal(process.returncode, 0, "the exit code")


def check_heartbeat(library):
    """The heart beats while the process runs, stops with it, and beats again; a killed kernel is noticed."""
    with running() as (manager, client):
        process = process_of(manager)
        silences = []
        client.hb_channel.call_handlers = silences.append
        client.hb_channel.time_to_dead = 0.5
        client.hb_channel.unpause()
        wait_until(client.hb_channel.is_beating, "the heart beats")
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: silences and not client.hb_channel.is_beating(), "a stopped process is noticed")
        process.send_signal(signal.SIGCONT)
        wait_until(client.hb_channel.is_beating, "the heart beats again")
        assert manager.is_alive()
        process.kill()
        wait_until(lambda: not manager.is_alive(), "a killed kernel is noticed")
        wait_until(lambda: not client.hb_channel.is_beating(), "its heart does not beat")


def check_two_kernels(library):
    """Two kernels under one manager, driven in turn: neither sees anything of the other."""
    from jupyter_client import MultiKernelManager

    managers = MultiKernelManager()
    try:
        names = [managers.start_kernel(kernel_name="python3") for _ in range(2)]
        kernels = [managers.get_kernel(name) for name in names]
        clients = [kernel.blocking_client() for kernel in kernels]
        for client in clients:
            client.start_channels()
        for client in clients:
            client.wait_for_ready(timeout=WAIT_SECONDS_MAX)
        for number, client in enumerate(clients):
            printed(client, f"number = {number}")
        for step in range(10):
            for number, client in enumerate(clients):
                equal(printed(client, f"number += 2\nprint(number)"), str(number + 2 * step + 2), "the number")
        processes = [process_of(kernel) for kernel in kernels]
        # Both at work at once, the answers taken in the other order.
        asked = [start_cell(client, "print('started', flush=True)\nfor x in range(100): print(x)") for client in clients]
        for client, cell in reversed(list(zip(clients, asked))):
            equal(reply_to(client.get_shell_msg, cell)["status"], "ok", "the reply")
        for client in clients:
            client.stop_channels()
    finally:
        managers.shutdown_all(now=False)
    equal([process.returncode for process in processes], [0, 0], "the exit codes")


def check_async_client(library):
    """The asynchronous manager and client: a cell, an interrupt, a burst of requests."""

    async def work():
        from jupyter_client.manager import start_new_async_kernel

        manager, client = await start_new_async_kernel(kernel_name="python3")
        try:
            seen = []
            reply = await client.execute_interactive(
                "print('from', 'asyncio')", timeout=WAIT_SECONDS_MAX, output_hook=lambda message: seen.append(message)
            )
            equal(reply["content"]["status"], "ok", "the reply")
            texts = [message["content"]["text"] for message in seen if message["msg_type"] == "stream"]
            equal("".join(texts), "from asyncio\n", "the text")

            asked = client.execute("import time\nprint('started', flush=True)\ntime.sleep(600)", stop_on_error=False)
            while "started" not in (await client.get_iopub_msg(timeout=WAIT_SECONDS_MAX))["content"].get("text", ""):
                pass
            await manager.interrupt_kernel()
            reply = await client.get_shell_msg(timeout=WAIT_SECONDS_MAX)
            equal((reply["parent_header"]["msg_id"], reply["content"]["ename"]), (asked, "KeyboardInterrupt"), "the interrupt")

            asked = [client.execute(f"{number}") for number in range(100)]
            replies = [await client.get_shell_msg(timeout=WAIT_SECONDS_MAX) for _ in asked]
            equal([reply["parent_header"]["msg_id"] for reply in replies], asked, "the replies")
            process = process_of(manager)
            await manager.shutdown_kernel(now=False)
            equal(process.returncode, 0, "the exit code")
        finally:
            client.stop_channels()
            if manager.has_kernel:
                await manager.shutdown_kernel(now=True)

    asyncio.run(work())


def check_threaded_client(library):
    """The client that runs its channels as streams of an event loop in a thread."""
    from jupyter_client.threaded import ThreadedKernelClient, ThreadedZMQSocketChannel

    received = queue.Queue()

    class Channel(ThreadedZMQSocketChannel):
        def call_handlers(self, message):
            received.put(message)

    class Client(ThreadedKernelClient):
        iopub_channel_class = shell_channel_class = stdin_channel_class = control_channel_class = Channel

    with running() as (manager, _):
        client = Client()
        client.load_connection_info(manager.get_connection_info())
        client.start_channels()
        try:
            # A subscription takes a moment, so the first cells may go unheard on iopub; the replies do not.
            wanted = {client.execute(f"print('number', {number})"): number for number in range(50)}
            replies, heard = set(), ""
            while len(replies) < len(wanted) or "number 49" not in heard:
                message = received.get(timeout=WAIT_SECONDS_MAX)
                if message["parent_header"].get("msg_id") in wanted:
                    if message["msg_type"] == "execute_reply":
                        replies.add(message["parent_header"]["msg_id"])
                    heard += message["content"].get("text", "")
        finally:
            client.stop_channels()


def check_autorestart(library):
    """A manager in an event loop starts a killed kernel again, and the client's connections reach the new one."""

    async def work():
        from jupyter_client.ioloop import AsyncIOLoopKernelManager

        manager = AsyncIOLoopKernelManager(kernel_name="python3", autorestart=True)
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=WAIT_SECONDS_MAX)
            restarted = asyncio.Event()
            manager.add_restart_callback(restarted.set, "restart")
            before = process_of(manager).pid
            os.kill(before, signal.SIGKILL)
            await asyncio.wait_for(restarted.wait(), WAIT_SECONDS_MAX)
            await client.wait_for_ready(timeout=WAIT_SECONDS_MAX)
            assert process_of(manager).pid != before
            reply = await client.execute_interactive("1 + 1", timeout=WAIT_SECONDS_MAX, output_hook=lambda _: None)
            equal(reply["content"]["status"], "ok", "a cell of the new kernel")
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    asyncio.run(work())


def check_debugger(library):
    """The debugger, which the kernel speaks with through a STREAM socket: it attaches, and sees a cell's variables."""
    with running() as (manager, client):
        sequence = iter(range(1, 100))

        def ask(command, arguments=None):
            content = {"type": "request", "seq": next(sequence), "command": command, "arguments": arguments or {}}
            request = client.session.msg("debug_request", content)
            client.control_channel.send(request)
            reply = reply_to(client.get_control_msg, request["header"]["msg_id"])
            assert reply.get("success"), f"{command}: {reply}"
            return reply["body"] if "body" in reply else {}

        printed(client, "kept = 7")
        adapter = {"clientID": "tests", "adapterID": "", "pathFormat": "path", "linesStartAt1": True, "columnsStartAt1": True}
        assert ask("initialize", adapter)["supportsSetVariable"]
        ask("attach", {"justMyCode": True})
        code = "def work(number):\n    square = number * number\n    return square\n\nprint(work(kept))"
        path = ask("dumpCell", {"code": code})["sourcePath"]
        where = {"source": {"path": path}, "breakpoints": [{"line": 3}], "sourceModified": False}
        equal([point["verified"] for point in ask("setBreakpoints", where)["breakpoints"]], [True], "the breakpoint")
        ask("configurationDone")
        asked = client.execute(code)
        while True:
            event = client.get_iopub_msg(timeout=WAIT_SECONDS_MAX)
            if event["msg_type"] == "debug_event" and event["content"]["event"] == "stopped":
                break
        thread = event["content"]["body"]["threadId"]
        frames = ask("stackTrace", {"threadId": thread})["stackFrames"]
        equal((frames[0]["name"], frames[0]["line"]), ("work", 3), "where it stopped")
        equal(ask("evaluate", {"expression": "square", "frameId": frames[0]["id"]})["result"], "49", "the variable")
        ask("continue", {"threadId": thread})
        equal(reply_to(client.get_shell_msg, asked)["status"], "ok", "the cell's reply")
        ask("disconnect", {"restart": False, "terminateDebuggee": False})


def check_ipc(library):
    """The same over ipc: every channel is a socket file, used by the client and the kernel, gone with the kernel."""
    with running(transport="ipc") as (manager, client):
        address = manager.get_connection_info()
        equal(address["transport"], "ipc", "the transport")
        files = [pathlib.Path(f"{address['ip']}-{address[f'{name}_port']}") for name in ("shell", "iopub", "stdin", "hb", "control")]
        missing = [str(file) for file in files if not file.is_socket()]
        assert not missing, f"no sockets: {missing}"
        equal(printed(client, "kept = 7\nprint('over ipc')"), "over ipc", "the text")
        text = printed(client, "print(input())", allow_stdin=True, stdin_hook=lambda _: client.input("typed"))
        equal(text, "typed", "what stdin gave")
        equal(len(printed(client, "print('z' * 5_000_000)")), 5_000_000, "the size of a large output")
        asked = start_cell(client, "import time\nprint('started', flush=True)\ntime.sleep(600)")
        manager.interrupt_kernel()
        equal(reply_to(client.get_shell_msg, asked).get("ename"), "KeyboardInterrupt", "the interrupted cell")
        client.hb_channel.unpause()
        wait_until(client.hb_channel.is_beating, "the heart beats")
        manager.restart_kernel(now=False)
        client.wait_for_ready(timeout=WAIT_SECONDS_MAX)
        equal(run(client, "kept")[0].get("ename"), "NameError", "the state after the restart")
        process = process_of(manager)
        manager.shutdown_kernel(now=False)
        equal(process.returncode, 0, "the exit code")
    left = [file.name for file in files if file.exists()]
    assert not left, f"socket files are left: {left}"


CHECKS = [
    check_library,
    check_notebook,
    check_notebook_limits,
    check_blocking_client,
    check_interrupt,
    check_restart,
    check_shutdown,
    check_heartbeat,
    check_two_kernels,
    check_async_client,
    check_threaded_client,
    check_autorestart,
    check_debugger,
    check_ipc,
]


class TooLate(Exception):
    """A check has reached its limit of time."""


def stop_check(number, frame):
    raise TooLate(f"not done after {CHECK_SECONDS_MAX} s")


def run_checks(checks, library):
    """The number of checks that fail."""
    failed = 0
    signal.signal(signal.SIGALRM, stop_check)
    for check in checks:
        begun = time.monotonic()
        signal.alarm(CHECK_SECONDS_MAX)
        try:
            check(library)
            verdict = "ok"
        except Exception as exception:
            failed += 1
            verdict = "FAILED"
            traceback.print_exc(limit=-6, file=sys.stdout)
            print(f"    {type(exception).__name__}: {exception}")
        finally:
            signal.alarm(0)
        name = check.__name__.removeprefix("check_").replace("_", " ")
        print(f"{verdict} {name} ({time.monotonic() - begun:.1f} s)", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=pathlib.Path, help="the library that was preloaded; none: pyzmq's own")
    parser.add_argument("checks", nargs="*", help="the names of the checks to run, all by default")
    options = parser.parse_args()
    named = {check.__name__.removeprefix("check_"): check for check in CHECKS}
    unknown = [name for name in options.checks if name not in named]
    if unknown:
        sys.exit(f"no checks {unknown}; there are {list(named)}")

    # A folder with a short name, for the socket files of ipc, and nothing of the user's settings.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jupyter-"))
    for variable in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        os.environ[variable] = str(folder / variable.lower()[:9])
    os.environ["PYTHONDONTWRITEBYTECODE"] = os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    try:
        library = options.library.resolve() if options.library else None
        chosen = [named[name] for name in options.checks] or CHECKS
        print(f"on {library or 'the library of the wheel'}:", flush=True)
        failed = run_checks(chosen, library)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
