import Glibc
import Primitives
import Testing

@testable import Doctor

@Suite struct `What a machine's answers mean` {
  @Test(arguments: [
    ("6.1.0", Diagnosis.State.fine), ("6.18.44-fc-v657", .fine), ("7.0", .fine), ("10.2.1", .fine),
    ("6.0.19", .failure),
    ("5.15.0-91-generic", .failure), ("4.19", .failure), ("", .warning), ("mainline", .warning), ("6", .warning),
  ])
  func `a kernel is new enough from 6.1 on`(release: String, state: Diagnosis.State) {
    #expect(Kernel(release: release).diagnosis.state == state)
  }

  @Test(arguments: [
    (EPERM, 2, false, "sysctl -w kernel.io_uring_disabled=0"), (EPERM, 1, false, "kernel.io_uring_group"),
    (EPERM, 2, true, "sysctl -w kernel.io_uring_disabled=0"), (EPERM, 0, true, "a seccomp filter forbids it"),
    (EPERM, nil, true, "a seccomp filter forbids it"), (EPERM, 0, false, "look for a security module"),
    (ENOSYS, nil, false, "CONFIG_IO_URING"), (ENOSYS, 0, true, "a seccomp filter forbids it"),
    (EINVAL, nil, false, "install Linux 6.1"),
    (ENOMEM, 0, false, "LimitMEMLOCK"), (EMFILE, 0, false, "LimitNOFILE"), (EIO, 0, false, "report this"),
  ])
  func `one errno has different causes, and each its own remedy`(
    error: Int32, disabled: Int?, isFiltered: Bool, remedy: String
  ) {
    let ring = Ring(
      setup: error, bufferRing: nil, sendMessage: nil, receiveMultishot: nil, readMultishot: nil, disabled: disabled,
      isFiltered: isFiltered)
    #expect(ring.diagnosis.state == .failure)
    #expect(ring.diagnosis.remedy?.contains(remedy) == true, "\(ring.diagnosis)")
    #expect(ring.diagnosis.finding.contains(described(error)))
  }

  @Test func `what the event loop cannot do without is a failure, what it can is a warning`() {
    #expect(Ring().diagnosis.state == .fine)
    #expect(
      Ring(bufferRing: EINVAL, sendMessage: nil, receiveMultishot: nil, readMultishot: nil).diagnosis.state == .failure)
    #expect(Ring(receiveMultishot: EINVAL).diagnosis.finding.hasPrefix("multishot recvmsg fails with EINVAL"))
    #expect(Ring(receiveMultishot: EINVAL, isFiltered: true).diagnosis.remedy?.contains("install") == true)
    #expect(
      Ring(sendMessage: EPERM, receiveMultishot: nil, isFiltered: true).diagnosis.remedy?.contains("seccomp") == true)
    #expect(Ring(readMultishot: EINVAL).diagnosis.state == .warning)
    #expect(Ring(readMultishot: EINVAL).diagnosis.remedy == "install Linux 6.7 or later")
  }

  @Test(arguments: [
    (UInt64.max, Diagnosis.State.fine), (1 << 12 | 1 << 13, .fine), (1 << 12, .warning), (1 << 13, .failure),
    (0, .failure),
  ])
  func `a gateway needs CAP_NET_ADMIN, and wants CAP_NET_RAW`(mask: UInt64, state: Diagnosis.State) {
    #expect(Capabilities(mask: mask).diagnosis.state == state)
  }

  @Test(arguments: [
    (Tunnel(), Diagnosis.State.fine, nil), (Tunnel(open: ENOENT, make: nil), .failure, "modprobe tun"),
    (Tunnel(open: EACCES, make: nil), .failure, "chmod 0666"),
    (Tunnel(open: ENODEV, make: nil), .failure, "modprobe tun"),
    (Tunnel(make: nil), .warning, "as root"), (Tunnel(make: EPERM), .failure, "this network namespace"),
    (Tunnel(make: EINVAL), .failure, "CONFIG_TUN"),
    (Tunnel(segmentation: EINVAL, udpSegmentation: EINVAL), .warning, "6.1"),
    (Tunnel(udpSegmentation: EINVAL), .warning, "install Linux 6.2 or later"),
  ])
  func `each way in which an interface cannot be made has its remedy`(
    tunnel: Tunnel, state: Diagnosis.State, remedy: String?
  ) {
    #expect(tunnel.diagnosis.state == state)
    #expect((tunnel.diagnosis.remedy == nil) == (remedy == nil))
    if let remedy { #expect(tunnel.diagnosis.remedy?.contains(remedy) == true, "\(tunnel.diagnosis)") }
  }

  @Test(arguments: [
    (DatagramOffload(), Diagnosis.State.fine), (DatagramOffload(firstRead: 1000), .warning),
    (DatagramOffload(failure: .init(call: "UDP_GRO", error: ENOPROTOOPT)), .failure),
    (DatagramOffload(failure: .init(call: "connect", error: ENETUNREACH)), .warning),
    (DatagramOffload(failure: .init(call: "socket", error: EPERM)), .failure),
  ])
  func `batches of datagrams that do not work are told from a loopback that is down`(
    offload: DatagramOffload, state: Diagnosis.State
  ) {
    #expect(offload.diagnosis.state == state)
  }

  @Test func `small socket buffers are a warning with the command that mends them`() {
    let debian = SocketBuffers(receiveLimit: ByteCount(212_992), sendLimit: ByteCount(212_992))
    #expect(
      debian.diagnosis
        == .warning(
          "buffers",
          "net.core.rmem_max is 208 KiB where 16 MiB are wanted, net.core.wmem_max is 208 KiB where 2 MiB are wanted",
          remedy: "sysctl -w net.core.rmem_max=16777216 net.core.wmem_max=2097152"))
    let half = SocketBuffers(receiveLimit: ByteCount(4 << 20), sendLimit: ByteCount(4 << 20))
    #expect(half.diagnosis.remedy == "sysctl -w net.core.rmem_max=16777216")
    #expect(SocketBuffers().diagnosis.state == .fine)
    #expect(SocketBuffers(receiveLimit: nil).diagnosis.remedy?.hasPrefix("on the host: sysctl") == true)
  }

  @Test func `rights pass the limits of net.core, if both directions have them`() {
    let small = ByteCount(212_992)
    let forced = SocketBuffers(
      receiveLimit: small, sendLimit: small, forcedReceive: ByteCount(16 << 20), forcedSend: ByteCount(2 << 20))
    #expect(forced.diagnosis.state == .fine)
    #expect(
      SocketBuffers(receiveLimit: small, sendLimit: small, forcedReceive: ByteCount(16 << 20)).diagnosis.state
        == .warning)
  }

  @Test(arguments: [
    (
      "processor\t: 0\nflags\t\t: fpu aes pclmulqdq vaes vpclmulqdq\n", Diagnosis.State.fine,
      "AES with VAES: encryption at full speed"
    ),
    ("flags : fpu aes pclmulqdq\nflags : fpu\n", .fine, "AES without VAES"),
    ("Features\t: fp asimd aes pmull", .fine, "AES without VAES"),
    ("flags\t: fpu sse4_2", .warning, "no AES instructions: ChaCha20-Poly1305 is used, at a fifth of the speed"),
    ("", .warning, "/proc/cpuinfo does not tell what the processor can do"),
  ])
  func `the processor's own words tell how fast encryption will be`(
    cpuinfo: String, state: Diagnosis.State, finding: String
  ) {
    let diagnosis = Processor(cpuinfo: cpuinfo).diagnosis
    #expect(diagnosis.state == state)
    #expect(diagnosis.finding == finding)
  }

  @Test func `a clock that nothing keeps right is a warning, and one that nobody may ask is no failure`() {
    #expect(TimeKeeping(isSynchronised: true).diagnosis.state == .fine)
    #expect(TimeKeeping(isSynchronised: false).diagnosis.remedy?.hasPrefix("timedatectl set-ntp true") == true)
    #expect(TimeKeeping(isSynchronised: nil).diagnosis.state == .warning)
  }

  @Test func `a slow clock is a warning, with a better one when there is one`() {
    #expect(ClockSource(name: "tsc", available: ["tsc", "hpet"]).diagnosis.state == .fine)
    #expect(ClockSource(name: "kvm-clock", available: []).diagnosis.state == .fine)
    #expect(
      ClockSource(name: "hpet", available: ["hpet", "acpi_pm", "tsc"]).diagnosis.remedy
        == "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource")
    #expect(
      ClockSource(name: "acpi_pm", available: ["acpi_pm"]).diagnosis.remedy?.hasPrefix("boot with clocksource=tsc")
        == true)
    #expect(ClockSource(name: "", available: []).diagnosis.state == .warning)
  }
}

@Suite struct `The report of all checks` {
  private let mixed = Report([
    .fine("kernel", "Linux 6.1"), .warning("clock", "hpet", remedy: "boot better"),
    .failure("tun", "gone", remedy: "modprobe tun"),
  ])

  @Test func `a check is a line, with its remedy, and the sum comes last`() {
    #expect(
      mixed.text(colour: false) == """
        ok    kernel  Linux 6.1
        warn  clock   hpet; boot better
        FAIL  tun     gone; modprobe tun
        A gateway cannot run here: 1 check failed.
        """)
  }

  @Test func `colour changes nothing but the colour`() {
    let coloured = mixed.text(colour: true)
    #expect(coloured.contains("\u{1b}[31mFAIL\u{1b}[0m"))
    var plain = coloured
    for code in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] { plain = plain.replacing(code, with: "") }
    #expect(plain == mixed.text(colour: false))
  }

  @Test func `the worst check decides the exit code`() {
    #expect(Report(Array(mixed.machine.prefix(1))).exitCode == 0)
    #expect(Report(Array(mixed.machine.prefix(2))).exitCode == 1)
    #expect(mixed.exitCode == 2)
    #expect(Report(Array(mixed.machine.prefix(2))).text(colour: false).hasSuffix("with 1 warning."))
  }

  @Test func `JSON has the same, with null where there is nothing to do`() {
    #expect(
      Report(Array(mixed.machine.prefix(2))).json == """
        {
          "verdict": "degraded",
          "exit_code": 1,
          "site": null,
          "checks": [
            {
              "check": "kernel",
              "scope": "machine",
              "subject": null,
              "state": "ok",
              "finding": "Linux 6.1",
              "remedy": null
            },
            {
              "check": "clock",
              "scope": "machine",
              "subject": null,
              "state": "warn",
              "finding": "hpet",
              "remedy": "boot better"
            }
          ]
        }
        """)
  }
}

@Suite struct `The examination of this machine` {
  @Test func `tries every check once, and says what to do exactly where something is wrong`() {
    let diagnoses = examine()
    let always = ["kernel", "io_uring", "capabilities", "tun", "udp", "buffers", "cpu", "clock", "time"]
    #expect(diagnoses.map(\.check) == always + ["rp_filter", "firewall"])
    #expect(examine(hasSite: true).map(\.check) == always)
    for diagnosis in diagnoses {
      #expect((diagnosis.state == .fine) == (diagnosis.remedy == nil), "\(diagnosis)")
      #expect(!diagnosis.finding.isEmpty && !diagnosis.finding.contains("\n"))
    }
  }

  @Test func `leaves no descriptor and no interface behind`() async {
    // In a process of its own, and with rights in a network of its own: other tests open things meanwhile.
    await #expect(processExitsWith: .success) {
      let isAlone = unshare(CLONE_NEWNET) == 0
      let before = descriptors()
      for _ in 0..<20 { _ = examine() }
      let interfaces = contents(of: "/proc/self/net/dev") ?? ""
      if isAlone && interfaces.contains("hwdoctor") { exit(1) }
      // Threads of the test library open a few of their own; a leak of ours comes back each time.
      if descriptors() >= before + 10 { exit(2) }
    }
  }

  @Test func `the kernel tells the same version as uname`() {
    var names = utsname()
    uname(&names)
    let release = withUnsafeBytes(of: &names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    #expect(Kernel.observe().release == release)
  }
}

private func descriptors() -> Int {
  guard let directory = opendir("/proc/self/fd") else { return -1 }
  defer { closedir(directory) }
  var count = 0
  while readdir(directory) != nil { count += 1 }
  return count
}
