//  ConfigurationPrinter.swift — a configuration as the text that makes it again: reading what this prints gives an
//  equal value.
//
//  Bytes and no string, because secrets are among them: whoever writes the file wipes them afterwards. What has its
//  default value is left out, as a person would.

import Primitives
import Sealing

extension GatewayConfiguration {
  public func printed() -> [UInt8] {
    var page = Page()
    page.header(Schema.gateway)
    page.source(privateKey, Schema.Gateway.privateKey.form, Schema.Gateway.privateKeyFile.form)
    page.list(Schema.Gateway.address.form, addresses.map(\.description))
    page.line(Schema.Gateway.listenPort.form, listenPort.map { "\($0)" })
    page.line(Schema.Gateway.mtu.form, "\(mtu.value)")
    page.line(Schema.Gateway.interface.form, interface)
    page.line(Schema.Gateway.table.form, routes.rawValue)
    page.line(Schema.Gateway.rekeyAfter.form, "\(rekeyAfter.nanoseconds / 1_000_000_000)")
    for path in paths {
      page.header(Schema.path, path.name)
      page.line(Schema.Path.interface.form, path.interface)
      page.list(Schema.Path.include.form, path.include)
      page.list(Schema.Path.exclude.form, path.exclude)
      page.line(Schema.Path.port.form, path.port.map { "\($0)" })
      page.line(Schema.Path.weight.form, "\(path.weight)")
      page.line(Schema.Path.mtu.form, path.mtu.map { "\($0.value)" })
      page.line(Schema.Path.bind.form, path.bind?.description)
      page.line(Schema.Path.tier.form, path.tier.rawValue)
      page.line(Schema.Path.budget.form, path.budget?.printed)
      page.line(Schema.Path.cost.form, path.cost.thousandths == 0 ? nil : path.cost.printed)
      page.line(Schema.Path.limit.form, path.limit?.printed)
    }
    for peer in peers {
      page.header(Schema.peer, peer.name)
      page.line(Schema.Peer.publicKey.form, "\(peer.publicKey)")
      page.source(peer.presharedKey, Schema.Peer.presharedKey.form, Schema.Peer.presharedKeyFile.form)
      page.list(Schema.Peer.endpoint.form, peer.endpoints.map(\.description))
      page.list(Schema.Peer.allowedIPs.form, peer.allowedIPs.map(\.description))
      page.line(Schema.Peer.keepalive.form, peer.keepalive.map { "\($0.nanoseconds / 1_000_000_000)" })
    }
    for relay in relays {
      page.header(Schema.relay, relay.name)
      page.line(Schema.Relay.publicKey.form, "\(relay.publicKey)")
      page.source(relay.presharedKey, Schema.Relay.presharedKey.form, Schema.Relay.presharedKeyFile.form)
      page.list(Schema.Relay.endpoint.form, relay.endpoints.map(\.description))
    }
    page.oracle(oracle)
    for known in classes {
      page.header(Schema.trafficClass, known.name)
      page.line(Schema.Class.treatment.form, known.treatment.rawValue)
      page.line(Schema.Class.redundancy.form, known.protection.printed)
    }
    for rule in rules {
      page.header(Schema.rule, rule.name)
      page.list(Schema.Rule.from.form, rule.from.map(\.description))
      page.list(Schema.Rule.to.form, rule.to.map(\.description))
      page.list(
        Schema.Rule.protocols.form, rule.protocols.map { KnownNumbers.name(of: $0, among: KnownNumbers.protocols) })
      page.list(
        Schema.Rule.ports.form,
        rule.ports.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" })
      page.list(Schema.Rule.dscp.form, rule.dscp.map { KnownNumbers.name(of: $0, among: KnownNumbers.dscp) })
      page.line(Schema.Rule.maxSize.form, rule.maxSize.map { "\($0.value)" })
      page.line(Schema.Rule.className.form, rule.className)
      let isStriped = rule.className != nil && rule.stack == .striped
      page.line(Schema.Rule.stack.form, isStriped ? nil : rule.stack.printed)
    }
    let hasOwnSocket = controlSocket != GatewayConfiguration.defaultSocket(of: interface)
    if hasOwnSocket || remoteControl != nil {
      page.header(Schema.control)
      if hasOwnSocket { page.line(Schema.Control.socket.form, controlSocket) }
      if let remote = remoteControl {
        page.list(Schema.Control.listen.form, remote.listen.map(\.description))
        page.source(remote.token, Schema.Control.token.form, Schema.Control.tokenFile.form)
        page.line(Schema.Control.certificate.form, remote.certificate)
        page.line(Schema.Control.certificateKeyFile.form, remote.certificateKeyFile)
      }
    }
    if !metricsListen.isEmpty {
      page.header(Schema.metrics)
      page.list(Schema.Metrics.listen.form, metricsListen.map(\.description))
    }
    return page.text
  }
}

extension RelayConfiguration {
  public func printed() -> [UInt8] {
    var page = Page()
    page.header(Schema.host)
    page.source(privateKey, Schema.Host.privateKey.form, Schema.Host.privateKeyFile.form)
    page.line(Schema.Host.listenPort.form, "\(listenPort)")
    page.list(Schema.Host.address.form, addresses.map(\.description))
    page.line(Schema.Host.allowPrivate.form, allowPrivate.rawValue)
    page.list(Schema.Host.destinations.form, destinations.map(\.description))
    page.line(Schema.Host.bindings.form, "\(mostBindings)")
    for client in clients {
      page.header(Schema.client, client.name)
      page.line(Schema.Client.publicKey.form, "\(client.publicKey)")
      page.source(client.presharedKey, Schema.Client.presharedKey.form, Schema.Client.presharedKeyFile.form)
      page.line(Schema.Client.bindings.form, "\(client.mostBindings)")
      page.line(Schema.Client.limit.form, client.limit.map { written($0.bitsPerSecond, Units.rates) })
      page.line(Schema.Client.daily.form, client.daily.map { written(UInt64($0.value), Units.bytes) })
    }
    page.contact(oracle, Schema.oracleReport)
    return page.text
  }
}

extension OracleConfiguration {
  public func printed() -> [UInt8] {
    var page = Page()
    page.header(Schema.oracle)
    page.line(Schema.Oracle.name.form, name)
    if listen != [OracleConfiguration.defaultListen] {
      page.list(Schema.Oracle.listen.form, listen.map(\.description))
    }
    page.line(Schema.Oracle.certificate.form, certificate)
    page.line(Schema.Oracle.certificateKeyFile.form, certificateKeyFile)
    page.line(Schema.Oracle.store.form, store?.printed)
    page.line(Schema.Oracle.halfLife.form, writtenDuration(halfLife))
    page.line(Schema.Oracle.strategy.form, strategy.rawValue)
    page.line(Schema.Oracle.readers.form, readers?.rawValue)
    for gateway in gateways {
      page.header(Schema.knownGateway, gateway.name)
      page.node(gateway)
    }
    for relay in relays {
      page.header(Schema.knownRelay, relay.name)
      page.node(relay)
    }
    for reader in knownReaders {
      page.header(Schema.reader, reader.name)
      page.token(reader.token)
    }
    return page.text
  }
}

extension GatewayConfiguration.Stack {
  /// As it is written.
  public var printed: String {
    switch self {
    case .striped: "striped"
    case .single(let path): "single" + (path.map { " " + $0 } ?? "")
    case .raw: "raw"
    }
  }
}

private struct Page {
  var text: [UInt8] = []

  mutating func header(_ form: SectionForm, _ name: String = "") {
    if !text.isEmpty { text.append(UInt8(ascii: "\n")) }
    text.append(contentsOf: (form.hasName ? "[\(form.name) \"\(name)\"]\n" : "[\(form.name)]\n").utf8)
  }

  mutating func line(_ form: SettingForm, _ value: String?) {
    guard let value, value != form.defaultText else { return }
    text.append(contentsOf: "\(form.name) = \(value)\n".utf8)
  }

  mutating func source(_ source: KeySource?, _ held: SettingForm, _ file: SettingForm) {
    switch source {
    case .held(let secret):
      text.append(contentsOf: "\(held.name) = ".utf8)
      secret.appendText(to: &text)
      text.append(UInt8(ascii: "\n"))
    case .file(let path): line(file, path)
    case nil: break
    }
  }

  mutating func oracle(_ client: OracleClient?) {
    guard let client else { return }
    contact(client, Schema.oracleClient)
    line(Schema.Advice.paths.form, "\(client.paths)")
    line(Schema.Advice.objective.form, client.objective.rawValue)
    line(Schema.Advice.mostPrice.form, client.mostPrice?.printed)
    line(Schema.Advice.mostDelay.form, client.mostDelay.map { "\($0.nanoseconds / 1_000_000)" })
    list(Schema.Advice.withoutProviders.form, client.withoutProviders)
    list(Schema.Advice.withoutRegions.form, client.withoutRegions)
  }

  mutating func contact(_ client: OracleClient?, _ form: SectionForm) {
    guard let client else { return }
    header(form)
    line(Schema.Advice.url.form, client.url)
    line(Schema.Advice.name.form, client.name)
    source(client.token, Schema.Advice.token.form, Schema.Advice.tokenFile.form)
    line(Schema.Advice.authorities.form, client.authorities)
  }

  mutating func token(_ token: OracleConfiguration.Token) {
    switch token {
    case .held(let secret): source(.held(secret), Schema.Node.token.form, Schema.Node.tokenFile.form)
    case .file(let path): line(Schema.Node.tokenFile.form, path)
    case .hash(let hash): line(Schema.Node.tokenHash.form, "\(hash)")
    }
  }

  mutating func node(_ node: OracleConfiguration.Node) {
    token(node.token)
    line(Schema.Node.publicKey.form, node.publicKey.map { "\($0)" })
    list(Schema.Node.address.form, node.addresses.map(\.description))
    list(Schema.Node.endpoint.form, node.endpoints.map(\.description))
    line(Schema.Node.provider.form, node.provider.isEmpty ? nil : node.provider)
    line(Schema.Node.region.form, node.region.isEmpty ? nil : node.region)
    line(Schema.Node.price.form, node.price.thousandths == 0 ? nil : node.price.printed)
    line(Schema.Node.capacity.form, node.capacity.map { written($0.bitsPerSecond, Units.rates) })
  }

  /// With commas, and on as many lines as it takes to keep them short.
  mutating func list(_ form: SettingForm, _ values: [String]) {
    var rest = values[...]
    while !rest.isEmpty {
      let line = rest.prefix(4)
      text.append(contentsOf: "\(form.name) = \(line.joined(separator: ", "))\n".utf8)
      rest = rest.dropFirst(4)
    }
  }
}
