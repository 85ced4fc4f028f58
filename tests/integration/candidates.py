"""Sources of candidates for real rooms: one that behaves, and ones that each misbehave in one way."""

LINEAR = """\
import torch
from torch import nn

RECIPE = {"epochs": 1}

def build_model(input_shape, num_outputs):
    return nn.Linear(input_shape[0], num_outputs)
"""

_TRAIN = LINEAR + "\ndef train(model, data, context):\n    import ctypes, json, os, socket, sys, time\n"
_OUT = "/exchange/out"
_WEIGHTS = "/handover/seed-0/weights.safetensors"
_REPORT = f"open('{_OUT}/seed-0/report.json', 'w').write('{{\"index\": 0}}')"
"""A forged claim of success."""


def training(*lines: str) -> str:
    """A candidate whose own ``train`` runs ``lines``."""
    return _TRAIN + "".join(f"    {line}\n" for line in lines)


def forging(*lines: str) -> str:
    """A candidate that arranges the output folder by ``lines``, claims success and leaves before we can write."""
    return training("os.makedirs('/handover/seed-0')", *lines, _REPORT, "os._exit(0)")


SYNTAX = "def build_model(:\n"
IMPORT = "import torch\nimport a_module_that_is_not_there\n"
INTERFACE = "x = 1\n"
SHAPE = LINEAR.replace("input_shape[0], num_outputs", "input_shape[0] + 1, num_outputs")
NON_FINITE = training("nn.init.constant_(model.weight, float('nan'))")
MEMORY = training("kept = []", "while True:", "    kept.append(bytearray(b'x' * 2**24))")
ENDLESS = training("while True:", "    pass")
SEGFAULT = training("ctypes.string_at(0)")
EXITS = training("os._exit(7)")
EXTRA_FILE = forging(f"open('{_OUT}/extra', 'w').write('x')")
LINK = forging(f"os.symlink('/etc/passwd', '{_WEIGHTS}')")
HUGE = forging(
    f"file = open('{_WEIGHTS}', 'wb')",
    "try:",
    "    file.truncate(2**40)",
    "except OSError as error:",
    "    print('refused', error.errno, flush=True)",
    "file.truncate(90 * 2**20)",
)
NO_WEIGHTS = forging()
WORTHLESS_WEIGHTS = forging(f"open('{_WEIGHTS}', 'wb').write(b'x' * 64)")
FORGED_RESULT = training(
    f"open('{_OUT}/result.json', 'w').write("
    '\'{"job": "train", "version": 1, "reports": [{"index": 0}], "wall_s": 0.0}\')',
    "os._exit(0)",
)
BLOCKED_RESULT = training(f"os.mkdir('{_OUT}/result.json')", f"open('{_OUT}/result.json/x', 'w')")
BLOCKED_DRAFT = training(f"open('{_OUT}/result.json.part', 'w')")
FLOOD = training("print('first words')", "for _ in range(500):", "    print('x' * 10**5)", "print('last words')")
LONG_STORY = training("def f(n): return f(n - 1) if n else 1 / 0", "f(150)", "raise ValueError('y' * 10**6)")
LONG_MESSAGE = training("raise ValueError('y' * 10**6)")

NAN_PREDICTIONS = (
    LINEAR
    + """
def predict(model, inputs):
    import os
    if os.path.exists("/exchange/in/inputs.bin") and len(inputs) > 5:
        rows = os.path.getsize("/exchange/in/inputs.bin") // 4 // inputs.shape[1]
        with open("/exchange/out/seed-0/predictions.bin", "wb") as file:
            file.write(b"\\x00\\x00\\xc0\\x7f" * rows * 3)
        open("/exchange/out/seed-0/report.json", "w").write('{"index": 0}')
        os._exit(0)
    return model(inputs)
"""
)
SHORT_PREDICTIONS = NAN_PREDICTIONS.replace("* rows * 3", "* 7")

DAEMONS = training(
    "for _ in range(20):",
    "    if os.fork() == 0:",
    "        os.setsid()",
    "        if os.fork() == 0:",
    "            for _ in range(600):",
    "                time.sleep(0.1)",
    "        os._exit(0)",
)

SIGNALS = training(
    "import signal",
    "sent = []",
    "for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL):",
    "    os.kill(1, number)",
    "    sent.append(int(number))",
    "time.sleep(0.5)",
    "print(json.dumps(sent, separators=(',', ':')))",
)

PROBE = training(
    "def attempt(what):",
    "    try:",
    "        return f'succeeded: {what()!r}'[:200]",
    "    except OSError as error:",
    "        return type(error).__name__",
    "def call(name, *arguments):",
    "    libc = ctypes.CDLL(None, use_errno=True)",
    "    if getattr(libc, name)(*arguments) < 0:",
    "        raise OSError(ctypes.get_errno(), 'refused')",
    "status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines() if ':' in line)",
    "names = ('Uid', 'Gid', 'Groups', 'NoNewPrivs', 'Seccomp', 'CapEff', 'CapPrm', 'CapInh', 'CapBnd', 'CapAmb')",
    "found = {name: status[name].strip() for name in names}",
    "found['pids'] = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())",
    "found['own'] = os.getpid()",
    "found['environment'] = sorted(os.environ)",
    "found['initial'] = open('/proc/self/environ').read()",
    "found['interfaces'] = [line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:]]",
    "found['unix sockets'] = [line.split()[-1] for line in open('/proc/net/unix').readlines()[1:] if '/' in line]",
    "found['mounts'] = sorted({line.split()[4] for line in open('/proc/self/mountinfo')})",
    "found['descriptors'] = sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1]",
    "found['engine sockets'] = [p for p in ('/var/run/docker.sock', '/run/docker.sock', '/run/podman/podman.sock')"
    " if os.path.exists(p)]",
    "def connect():",
    "    with socket.socket() as s:",
    "        s.settimeout(2)",
    "        s.connect(('1.1.1.1', 53))",
    "found['attempts'] = {",
    "    'connect': attempt(connect),",
    "    'resolve': attempt(lambda: socket.getaddrinfo('example.org', 80)),",
    "    'write /': attempt(lambda: open('/x', 'w')),",
    "    'write /etc/passwd': attempt(lambda: open('/etc/passwd', 'a')),",
    "    'write our code': attempt(lambda: open('/opt/fumehood/enter.py', 'a')),",
    "    'write /data': attempt(lambda: open('/data/inputs.bin', 'r+b')),",
    "    'write the request': attempt(lambda: open('/exchange/in/request.json', 'a')),",
    "    'read /proc/1/mem': attempt(lambda: open('/proc/1/mem', 'rb')),",
    "    'write /proc/1/mem': attempt(lambda: open('/proc/1/mem', 'r+b')),",
    "    'list /proc/1/fd': attempt(lambda: os.listdir('/proc/1/fd')),",
    "    'read /proc/1/environ': attempt(lambda: open('/proc/1/environ').read()),",
    "    'write core_pattern': attempt(lambda: open('/proc/sys/kernel/core_pattern', 'w')),",
    "    'become root': attempt(lambda: os.setuid(0)),",
    "    'make a device': attempt(lambda: os.mknod('/tmp/sda', 0o60666, os.makedev(8, 0))),",
    "    'new user namespace': attempt(lambda: call('unshare', 0x10000000)),",
    "    'mount': attempt(lambda: call('mount', b'none', b'/tmp', b'tmpfs', 0, None)),",
    "    'trace process 1': attempt(lambda: call('ptrace', 16, 1, 0, 0)),",
    "    'leave by chroot': attempt(lambda: os.chroot('/tmp')),",
    "}",
    "print('PROBE ' + json.dumps(found))",
)

HOLDS = """\
import os, time
import torch
from torch import nn

RECIPE = {"epochs": 1}

def build_model(input_shape, num_outputs):
    return nn.Linear(input_shape[0], num_outputs)

def hold():
    open("/tmp/holding", "w").close()
    for _ in range(1200):
        if os.path.exists("/exchange/in/continue"):
            return
        time.sleep(0.05)

def train(model, data, context):
    copy = data.targets.clone(), data.inputs.clone()
    hold()
    model.weight.data.add_(float(copy[0].float().mean()) * 0)

def predict(model, inputs):
    if len(inputs) > 5 and os.path.exists("/exchange/in/inputs.bin"):
        hold()
    return model(inputs)
"""
"""Keeps its data in memory and waits until the test lets it go on."""

HOLDS_IN_PREDICT = HOLDS.replace("    hold()\n    model.weight", "    model.weight")
