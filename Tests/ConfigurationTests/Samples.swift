//  Samples.swift — configurations to begin with, and keys that are visibly nobody's.

import Configuration
import Primitives
import Sealing

/// 32 equal bytes as a key.
func keyText(_ byte: UInt8) -> String { KeyText.text([UInt8](repeating: byte, count: 32)) }

func publicKey(_ byte: UInt8) -> PublicKey {
  guard let key = PublicKey(keyText(byte)) else { preconditionFailure("32 bytes are a key") }
  return key
}

func secret(_ byte: UInt8) -> KeptSecret {
  guard let secret = Secret(text: Array(keyText(byte).utf8)) else { preconditionFailure("32 bytes are a secret") }
  return KeptSecret(secret)
}

/// The smallest that is right; line 6 is the peer's.
let small = """
  [Gateway]
  PrivateKey = \(keyText(1))
  ListenPort = 51820
  [Path "fibre"]
  Interface = eth0
  [Peer "hq"]
  PublicKey = \(keyText(2))
  AllowedIPs = 10.1.0.0/16

  """

/// Every key there is.
let everything = """
  # A branch with two lines.
  [Gateway]
  PrivateKeyFile = branch.key
  Address = 10.9.0.2/24, fd00:9::2/64
  Address = 10.8.0.2/24     # a second line goes on
  ListenPort = 51820
  MTU = 1400
  Interface = bond0
  Table = off
  RekeyAfter = 30

  [Path "fibre"]
  Interface = eth0
  Port = 51821
  Weight = 300
  MTU = 1492
  Bind = 192.0.2.7

  [Path "lte"]
  Interface = wwan0
  Tier = secondary
  Budget = 20 GB per month from day 5
  Cost = 0.015 per GB
  Limit = 20mbit/100mbit

  [Peer "hq"]
  PublicKey = \(keyText(2))
  PresharedKey = \(keyText(3))
  Endpoint = hq.example.com:51820, [2001:db8::1]:51820
  Endpoint = 192.0.2.1:4500
  AllowedIPs = 10.1.0.0/16, fd00:1::/64
  Keepalive = 25

  [Peer "lab"]
  PublicKey = \(keyText(4))
  PresharedKeyFile = /etc/hawser/lab.psk
  AllowedIPs = 0.0.0.0/0

  [Class "voip"]
  Treatment = realtime
  Redundancy = parity 2+1

  [Rule "calls"]
  From = 10.1.0.0/16
  To = fd00:1::/64
  Protocol = udp, 132
  Ports = 5060-5090, 16384
  DSCP = ef, 12
  MaxSize = 300
  Class = voip
  Stack = single fibre

  [Rule "odd"]
  Protocol = gre
  Stack = raw

  [Rule "backups"]
  Ports = 873
  Class = bulk

  [Control]
  Socket = /run/branch.sock

  """

func read(_ text: String) throws(Mistakes) -> ConfigurationFile {
  try ConfigurationFile(reading: Array(text.utf8), named: "branch.conf")
}

/// Everything that is wrong, a line each; empty when nothing is.
func mistakes(in text: [UInt8]) -> [String] {
  do throws(Mistakes) {
    _ = try ConfigurationFile(reading: text, named: "branch.conf")
    return []
  } catch {
    return error.description.split(separator: "\n").map(String.init)
  }
}

func mistakes(in text: String) -> [String] { mistakes(in: Array(text.utf8)) }
