import Primitives
import Testing
import Uplinks

@Suite struct `A path and its interface` {
  private static let address = IPAddress(ipv4: 0xc000_0201)
  private static let other = IPAddress(ipv4: 0xc000_0202)

  private static func interface(
    _ name: String = "eth0", index: Int32 = 2, mtu: Int = 1_500, isOn: Bool = true, hasCarrier: Bool = true,
    addresses: [IPAddress] = [address], reaches: Bool? = true
  ) -> Uplinks.Interface {
    Uplinks.Interface(
      name: name, index: index, mtu: mtu, isOn: isOn, hasCarrier: hasCarrier, addresses: addresses, reaches: reaches,
      isUplink: true)
  }

  private func changes(_ uplinks: inout Uplinks) -> [Uplinks.Change.Kind] {
    var list: [Uplinks.Change.Kind] = []
    while let change = uplinks.nextChange() { list.append(change.kind) }
    return list
  }

  private func made(_ interfaces: [Uplinks.Interface], bind: IPAddress? = nil) -> Uplinks {
    var uplinks = Uplinks()
    uplinks.set([Uplinks.Path(name: "fibre", interface: "eth0", bind: bind)])
    uplinks.observe(interfaces)
    return uplinks
  }

  @Test func `are told of once, and then only when something is different`() {
    var uplinks = made([Self.interface()])
    #expect(changes(&uplinks) == [.up(2)])
    uplinks.observe([Self.interface()])
    #expect(changes(&uplinks).isEmpty && uplinks.reason(ofPath: "fibre") == nil)
  }

  @Test func `say what is missing, the first thing first`() {
    let cases: [([Uplinks.Interface], Uplinks.Reason)] = [
      ([], .gone), ([Self.interface(isOn: false, hasCarrier: false, addresses: [])], .off),
      ([Self.interface(hasCarrier: false, addresses: [])], .noCarrier),
      ([Self.interface(addresses: [], reaches: nil)], .noAddress(nil)), ([Self.interface(reaches: false)], .noRoute),
    ]
    for (interfaces, reason) in cases {
      var uplinks = made(interfaces)
      #expect(changes(&uplinks) == [.down(reason)], "\(reason)")
      uplinks.observe([Self.interface()])
      #expect(changes(&uplinks) == [.up(2)], "\(reason)")
      uplinks.observe(interfaces)
      #expect(changes(&uplinks) == [.down(reason)], "\(reason)")
    }
  }

  @Test func `need no route while nobody's address is known`() {
    var uplinks = made([Self.interface(reaches: nil)])
    #expect(changes(&uplinks) == [.up(2)])
  }

  @Test func `wait for the address of Bind`() {
    var uplinks = made([Self.interface()], bind: Self.other)
    #expect(changes(&uplinks) == [.down(.noAddress(Self.other))])
    uplinks.observe([Self.interface(addresses: [Self.address, Self.other])])
    #expect(changes(&uplinks) == [.up(2)])
  }

  @Test func `are another interface when it went and came between two looks`() {
    var uplinks = made([Self.interface()])
    _ = changes(&uplinks)
    uplinks.observe([Self.interface(index: 7)])
    #expect(changes(&uplinks) == [.down(.gone), .up(7)])
  }

  @Test func `tell of another address and another size while they are up`() {
    var uplinks = made([Self.interface()])
    _ = changes(&uplinks)
    uplinks.observe([Self.interface(addresses: [Self.other])])
    #expect(changes(&uplinks) == [.readdressed])
    uplinks.observe([Self.interface(mtu: 1_400, addresses: [Self.other])])
    #expect(changes(&uplinks) == [.resized(1_400)])
  }

  @Test func `keep what is known of them when others come, and are told of anew when they are others`() {
    var uplinks = made([Self.interface(), Self.interface("eth1", index: 3)])
    _ = changes(&uplinks)
    let fibre = Uplinks.Path(name: "fibre", interface: "eth0")
    uplinks.set([fibre, Uplinks.Path(name: "lte", interface: "eth1")])
    #expect(changes(&uplinks) == [.up(3)])
    uplinks.set([Uplinks.Path(name: "fibre", interface: "wwan0")])
    #expect(changes(&uplinks) == [.down(.gone)])
  }
}

@Suite struct `A pattern for names` {
  @Test(arguments: [
    ("*", "eth0", true), ("*", "", true), ("eth*", "eth0", true), ("eth*", "weth0", false), ("?th0", "eth0", true),
    ("en?s*", "enps3", true), ("en?s*", "ens3", false), ("*0", "eth10", true), ("*0*1", "a0b1c", false),
    ("*0*1", "a0b1c1", true), ("", "a", false), ("eth0", "eth0", true), ("eth0", "eth01", false),
  ]) func `fits or does not`(pattern: String, name: String, isFitting: Bool) {
    #expect(NamePattern(pattern).matches(name) == isFitting)
  }
}
