import Parity
import Primitives
import Redundancy
import Testing
import Wire

@Suite struct `Protecting datagrams as they leave` {
  @Test func `gives each its place in a group, and parity behind the last`() {
    var sender = Sender(members: 3, parity: 2)
    for _ in 0..<7 { sender.send(100) }
    #expect(
      sender.pieces.map(\.header) == [
        .init(group: 0, piece: .member(0)), .init(group: 0, piece: .member(1)), .init(group: 0, piece: .member(2)),
        .init(group: 0, piece: .parity(0, members: 3, of: 2)), .init(group: 0, piece: .parity(1, members: 3, of: 2)),
        .init(group: 1, piece: .member(0)), .init(group: 1, piece: .member(1)), .init(group: 1, piece: .member(2)),
        .init(group: 1, piece: .parity(0, members: 3, of: 2)), .init(group: 1, piece: .parity(1, members: 3, of: 2)),
        .init(group: 2, piece: .member(0)),
      ])
    #expect(sender.encoder.counters.full == 2 && sender.encoder.counters.members == 7)
    #expect(sender.encoder.counters.memberBytes == 700 && sender.encoder.counters.parity == 4)
    #expect(sender.encoder.counters.parityBytes == 4 * 120)
  }

  @Test func `closes a group that has been open for long enough, with what it has`() {
    var sender = Sender(members: 4, parity: 1, openFor: .milliseconds(40))
    #expect(sender.encoder.deadline == nil)
    sender.send(100, at: .zero + .milliseconds(5))
    sender.send(120, at: .zero + .milliseconds(25))
    #expect(sender.encoder.deadline == .zero + .milliseconds(45), "it counts from the first member")
    sender.encoder.expire(at: .zero + .milliseconds(44))
    sender.drain()
    #expect(sender.pieces.count == 2)
    sender.encoder.expire(at: .zero + .milliseconds(45))
    sender.drain()
    #expect(sender.pieces.last?.header == .init(group: 0, piece: .parity(0, members: 2, of: 1)))
    #expect(sender.encoder.deadline == nil && sender.encoder.counters.timedOut == 1)
    sender.encoder.expire(at: .zero + .seconds(9))
    sender.drain()
    #expect(sender.pieces.count == 3, "an empty group has no parity")

    var decoder = ParityDecoder.usual()
    let pieces = sender.takePieces()
    #expect(decoder.take(pieces[0]).rebuilt.isEmpty)
    #expect(decoder.take(pieces[2]).rebuilt == [sender.sent[1]])
  }

  @Test func `closes a group when told to`() {
    var sender = Sender(members: 4, parity: 2)
    sender.encoder.flush()
    sender.drain()
    #expect(sender.pieces.isEmpty)
    sender.send(10)
    sender.encoder.flush()
    sender.drain()
    #expect(sender.pieces.count == 3 && sender.encoder.counters.flushed == 1 && sender.encoder.deadline == nil)
  }

  @Test func `follows a new shape from the next group on`() {
    var sender = Sender(members: 2, parity: 1)
    sender.send(10)
    sender.encoder.setShape(members: 3, parity: 4)
    sender.send(10)
    #expect(sender.takePieces().map(\.header.extra) == [1, 2, 17])
    for _ in 0..<3 { sender.send(10) }
    #expect(sender.takePieces().map(\.header.extra) == [1, 2, 3, 17, 18, 19, 20])
  }

  @Test func `without parity leaves datagrams as they are`() {
    var sender = Sender(members: 4, parity: 0)
    #expect(sender.send(10) == nil)
    #expect(sender.pieces.isEmpty && sender.encoder.deadline == nil && sender.encoder.counters.unprotected == 1)
    sender.encoder.setShape(members: 2, parity: 1)
    #expect(sender.send(10)?.group == 0)
    sender.encoder.setShape(members: 2, parity: 0)
    #expect(sender.send(10)?.group == 0, "the open group is finished")
    #expect(sender.send(10) == nil)
    #expect(sender.pieces.count == 3)
  }

  @Test func `leaves out what is longer than may be`() {
    var sender = Sender(members: 2, parity: 1, mostText: 500)
    #expect(sender.send(501) == nil)
    #expect(sender.send(500) != nil)
    #expect(sender.send(501) == nil)
    #expect(sender.send(1) != nil)
    #expect(sender.encoder.counters.tooLong == 2 && sender.encoder.counters.full == 1)
    var decoder = ParityDecoder.usual(mostText: 500)
    let pieces = sender.takePieces()
    #expect(decoder.take(pieces[1]).rebuilt.isEmpty)
    #expect(decoder.take(pieces[2]).rebuilt == [sender.sent[1]])
  }
}
