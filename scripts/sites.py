"""sites — a branch with three uplinks and its headquarters in network namespaces, for scripts that try what happens.

                 ┌── up0  IPv4 ──┐
        branch ──┼── up1  IPv6 ──┼── net ── wan ── hq
                 └── up2  IPv4 ──┘

The branch's paths are up0, up1, and one with `Interface = *` that finds up2. It has a default route over each of them,
as DHCP makes them. `net` forwards, and hq has one uplink. No line has a rate or a delay: what takes time is somebody's
doing. Everything has a name with our process number in it, and is gone when the object is closed.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HOSTS = ("branch", "net", "hq")
LINES = (0, 1, 2)
HQ4, HQ6 = "203.0.113.2", "2001:db8:ff::2"
INNER = {"branch": "10.9.0.2", "hq": "10.9.0.1"}
SETTLE = 20


def programs(name):
    """The release programs, and root, or a sentence and exit code 2."""
    folder = os.environ.get("HAWSER_RELEASE_BIN") or pathlib.Path(__file__).resolve().parent.parent / ".build/release"
    hawser = str(pathlib.Path(folder) / "hawser")
    if not os.access(hawser, os.X_OK):
        sys.exit(refuse(name, f"there is no {hawser}; run scripts/build release"))
    if os.getuid() != 0:
        sys.exit(refuse(name, "needs root for network namespaces"))
    return hawser


def refuse(name, why):
    print(f"{name}: {why}", file=sys.stderr)
    return 2


def number(name, words, place, usual):
    """An argument that is a number from 1 on."""
    if len(words) <= place:
        return usual
    if not words[place].isdigit() or int(words[place]) == 0:
        print(f"{name}: \"{words[place]}\": expected a number from 1 on", file=sys.stderr)
        sys.exit(64)
    return int(words[place])


def end(*_):
    """Whoever ends us gets everything taken back, and may not end that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(130)


class Sites:
    def __init__(self, hawser):
        self.hawser, self.processes, self.folder = hawser, {}, tempfile.mkdtemp(prefix="hawser-sites.")
        self.mark, self.made, self.pings = f"hawser-{os.getpid()}", 0, []
        signal.signal(signal.SIGTERM, end)
        # Both addresses of a line's branch end; an address that changes goes to the other and back.
        self.ends = {line: 2 for line in LINES}
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in [*self.processes.values(), *self.pings]:
            process.kill()
            process.wait()
        for host in HOSTS:
            subprocess.run(["ip", "netns", "delete", self.namespace(host)], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Networks

    def namespace(self, host):
        return f"{self.mark}-{host}"

    def at(self, host, *command):
        """The words of a command that runs at a host."""
        return ["nsenter", f"--net=/run/netns/{self.namespace(host)}", "--", *command]

    def shell(self, host, script):
        """Lines for a shell, which must all succeed; what they say."""
        done = subprocess.run(self.at(host, "sh", "-ec", script), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{host}: {script}: {done.stderr}")
        return done.stdout

    def build(self):
        for host in HOSTS:
            subprocess.run(["ip", "netns", "add", self.namespace(host)], check=True)
            # An address of IPv6 is everybody's for a second until it is ours; that is the kernel's time, not measured.
            self.shell(host, "ip link set lo up; sysctl -qw net.ipv6.conf.all.accept_dad=0 "
                       "net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.keep_addr_on_down=1 "
                       "net.ipv6.conf.default.keep_addr_on_down=1")
        self.shell("net", "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        self.shell("net", f"ip link add hq type veth peer name wan netns {self.namespace('hq')}\n"
                   "ip link set hq up\nip address add 203.0.113.1/24 dev hq\nip address add 2001:db8:ff::1/64 dev hq")
        self.shell("hq", f"ip link set wan up\nip address add {HQ4}/24 dev wan\nip address add {HQ6}/64 dev wan\n"
                   "ip route add default via 203.0.113.1\nip -6 route add default via 2001:db8:ff::1")
        for line in LINES:
            self.connect(line)

    def network(self, line):
        return f"2001:db8:{line}::" if line == 1 else f"192.0.2.{64 * line}"

    def address(self, line):
        """Of the branch's end, as it is now."""
        if line == 1:
            return f"2001:db8:{line}::{self.ends[line]}"
        return f"192.0.2.{64 * line + self.ends[line]}"

    def router(self, line):
        return f"2001:db8:{line}::1" if line == 1 else f"192.0.2.{64 * line + 1}"

    def length(self, line):
        return 64 if line == 1 else 26

    def addressing(self, line):
        """Its address and its default route, as a client for DHCP would write them."""
        return (f"ip address add {self.address(line)}/{self.length(line)} dev up{line}\n" + self.routing(line))

    def routing(self, line, what="add"):
        family = "-6" if line == 1 else "-4"
        return f"ip {family} route {what} default via {self.router(line)} dev up{line} metric {100 + line}\n"

    def connect(self, line):
        """A line, for the first time or again; its ends have the same hardware addresses each time."""
        # The kernel takes its time, up to a second, with a carrier of an end whose number is that of the other end: it
        # takes it for no end of anything. So they must not be the same by chance.
        self.made += 1
        self.shell("net", f"ip link add to{line} index {1000 + self.made} address 02:00:00:00:01:0{line} type veth "
                   f"peer name up{line} index {2000 + self.made} address 02:00:00:00:00:0{line} "
                   f"netns {self.namespace('branch')}\n"
                   f"ip link set to{line} up\nip address add {self.router(line)}/{self.length(line)} dev to{line}")
        self.shell("branch", f"ip link set up{line} up\n" + self.addressing(line))

    def picture(self, host):
        """Rules, routes and packet filters, in an order of their own."""
        commands = ["ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all", "ip -o link"]
        lines = []
        for command in commands:
            for text in self.shell(host, command).splitlines():
                # An interface that was made again has another number, and its other end too.
                text = text if command != "ip -o link" else text.split(": ")[1].split("@")[0]
                lines.append(command + ": " + " ".join(text.split()))
        return sorted(lines) + [self.shell(host, RULESET)]

    # Gateways

    def tell(self, secret):
        return subprocess.run([self.hawser, "pubkey"], input=secret, capture_output=True, text=True, check=True).stdout

    def start(self):
        """Both, and waits until all paths are up at both."""
        secrets = [subprocess.run([self.hawser, "genkey"], capture_output=True, text=True, check=True).stdout
                   for _ in range(2)]
        branch, hq = secrets
        self.text = {
            "branch": f"[Gateway]\nPrivateKey = {branch}Address = {INNER['branch']}/24\n"
            f"[Control]\nSocket = {self.socket('branch')}\n"
            '[Path "up0"]\nInterface = up0\n[Path "up1"]\nInterface = up1\n'
            '[Path "any"]\nInterface = *\nInclude = up2\n'
            f'[Peer "hq"]\nPublicKey = {self.tell(hq)}Endpoint = {HQ4}:51820, [{HQ6}]:51820\n'
            f"AllowedIPs = {INNER['hq']}/32, 10.1.0.0/16\n",
            "hq": f"[Gateway]\nPrivateKey = {hq}Address = {INNER['hq']}/24\nListenPort = 51820\n"
            f"[Control]\nSocket = {self.socket('hq')}\n"
            '[Path "wan"]\nInterface = wan\n'
            f'[Peer "branch"]\nPublicKey = {self.tell(branch)}AllowedIPs = {INNER["branch"]}/32, 10.2.0.0/16\n',
        }
        for host in self.text:
            self.write(host, self.text[host])
            with open(f"{self.folder}/{host}.log", "w") as log:
                self.processes[host] = subprocess.Popen(
                    self.at(host, self.hawser, "gateway", "--config", f"{self.folder}/{host}.conf"),
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        if not self.eventually(SETTLE, lambda: self.ways() == {"branch": 3, "hq": 3}):
            raise RuntimeError(f"not all paths are up after {SETTLE} s: {self.ways()}\n{self.log('branch')}")

    def write(self, host, text):
        path = pathlib.Path(f"{self.folder}/{host}.conf")
        path.touch(mode=0o600)
        path.write_text(text)

    def log(self, host):
        return pathlib.Path(f"{self.folder}/{host}.log").read_text()

    def stop(self):
        """Both, as systemd does, and waits until their interfaces are gone."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for host, process in self.processes.items():
            if process.wait(timeout=20) != 0:
                raise RuntimeError(f"the gateway of {host} ended with {process.returncode}:\n{self.log(host)}")
        # A ring outlives its process for a moment, and holds the interface.
        for host in self.processes:
            self.eventually(5, lambda: "hawser0" not in self.shell(host, "ip -o link"))
        self.processes = {}

    def socket(self, host):
        return f"{self.folder}/{host}.sock"

    def ask(self, host, page):
        return get(self.socket(host), page)

    def ways(self):
        """How many ways work and are used, at each."""
        return {host: sum(path["liveness"] == "up" and path["state"] != "standby"
                          for path in self.ask(host, "/v1/paths")["paths"]) for host in ("branch", "hq")}

    @staticmethod
    def eventually(seconds, condition):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True


# Debian's nft may be missing where its library is not; it says the same.
RULESET = """/usr/bin/python3 -c '
import ctypes
nft = ctypes.CDLL("libnftables.so.1")
nft.nft_ctx_new.restype = ctypes.c_void_p
nft.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
context = ctypes.c_void_p(nft.nft_ctx_new(0))
nft.nft_ctx_buffer_output(context)
assert nft.nft_run_cmd_from_buffer(context, b"list ruleset") == 0
print(nft.nft_ctx_get_output_buffer(context).decode(), end="")
'"""


def connect(path):
    """A connection to a control socket."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(10)
    link.connect(path)
    return link


def get(path, page):
    """What a gateway answers, as JSON."""
    try:
        with connect(path) as link:
            link.sendall(f"GET {page} HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n"
                         "Connection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: link.recv(65536), b""))
        return json.loads(answer.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError):
        # It is about to start, or to end.
        return {"paths": []}


class Ping:
    """Echoes from the branch through the bond, one after the other, and when each came back."""

    def __init__(self, sites, seconds):
        self.sites, self.spacing, self.file = sites, seconds, f"{sites.folder}/ping"
        with open(self.file, "w") as out:
            self.process = subprocess.Popen(
                sites.at("branch", "ping", "-n", "-D", "-i", str(seconds), "-s", "200", INNER["hq"]), stdout=out)
        sites.pings.append(self.process)

    def end(self):
        """How many were sent; for each that came back its number and when, in seconds since 1970."""
        time.sleep(0.5)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)
        text = pathlib.Path(self.file).read_text()
        sent = int(text.split(" packets transmitted")[0].split()[-1])
        back, turns, before = {}, 0, 0
        for line in text.splitlines():
            if line.startswith("[") and "icmp_seq=" in line and "time=" in line:
                sequence = int(line.split("icmp_seq=")[1].split()[0])
                # Numbers have 16 bits.
                turns += (before - sequence > 32_768) - (sequence - before > 32_768)
                before = sequence
                back.setdefault(turns * 65_536 + sequence, float(line[1:line.index("]")]))
        # What was sent in the last moment had no time to come back.
        if back and sent - max(back) <= max(2, 0.05 / self.spacing):
            sent = max(back)
        return sent, back
