//  ClockSource.swift — what does it cost to ask for the time?
//
//  The loop asks once for each batch. With most clock sources that is 25 ns in user space; with some it is a system
//  call and a slow device: 1 µs and more.

struct ClockSource: Equatable {
  let name: String
  let available: [String]

  static func observe() -> ClockSource {
    let folder = "/sys/devices/system/clocksource/clocksource0"
    func words(_ file: String) -> [String] {
      (contents(of: "\(folder)/\(file)") ?? "").split { $0 == " " || $0 == "\n" }.map(String.init)
    }
    return ClockSource(name: words("current_clocksource").first ?? "", available: words("available_clocksource"))
  }

  private static let slow = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit", "xen"]
  private static let fast = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"]

  var diagnosis: Diagnosis {
    if name.isEmpty {
      return .warning("clock", "/sys does not tell the clock source", remedy: "mount /sys in the container")
    }
    guard ClockSource.slow.contains(name) else { return .fine("clock", name) }
    let better = ClockSource.fast.first { available.contains($0) }
    return .warning(
      "clock", "\(name) makes each look at the clock slow",
      remedy: better.map { "echo \($0) > /sys/devices/system/clocksource/clocksource0/current_clocksource" }
        ?? "boot with clocksource=tsc, or ask whoever runs the virtual machine for a better clock")
  }
}
