// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Netlink

/// Messages with their headers: acknowledgements, refusals, ends, and those for somebody else.
@Suite struct EnvelopeTests {
    private static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    private static func message(
        type: UInt16,
        flags: UInt16 = 0,
        sequence: UInt32 = 5,
        port: UInt32 = 77,
        _ payload: [UInt8]
    ) -> [UInt8] {
        let head =
            word(UInt32(16 + payload.count)) + word(UInt32(type) | UInt32(flags) << 16) + word(sequence) + word(port)
        return head + payload + [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
    }

    private static func sentence(_ text: String) -> [UInt8] {
        let value = Array(text.utf8) + [0]
        return word(UInt32(4 + value.count) | 1 << 16) + value + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
    }

    private static let refusal = word(UInt32(bitPattern: -22))
    /// The header of the request that is refused, as it is echoed.
    private static func echo(length: UInt32) -> [UInt8] { word(length) + word(16) + word(5) + word(77) }

    private static func only(_ bytes: [UInt8]) throws -> Envelope {
        let envelopes = Envelope.parse(bytes[...], port: 77)
        try #require(envelopes.count == 1)
        return try #require(envelopes.first)
    }

    private static func error(_ bytes: [UInt8]) throws -> (Int32, String?) {
        guard case .error(let code, let text) = try only(bytes).content else {
            Issue.record("it was not read as an error")
            return (0, nil)
        }
        return (code, text)
    }

    @Test func anAcknowledgementIsAnErrorOfZero() throws {
        let (code, text) = try Self.error(Self.message(type: 2, Self.word(0) + Self.echo(length: 16)))
        #expect(code == 0)
        #expect(text == nil)
    }

    @Test func theKernelsSentenceIsFoundBehindACappedEcho() throws {
        let payload = Self.refusal + Self.echo(length: 400) + Self.sentence("Invalid MTU")
        // NLM_F_CAPPED and NLM_F_ACK_TLVS.
        let (code, text) = try Self.error(Self.message(type: 2, flags: 0x300, payload))
        #expect(code == 22)
        #expect(text == "Invalid MTU")
    }

    @Test func theKernelsSentenceIsFoundBehindTheWholeEcho() throws {
        let request = Self.echo(length: 23) + [1, 2, 3, 4, 5, 6, 7, 0]
        let (code, text) = try Self.error(
            Self.message(type: 2, flags: 0x200, Self.refusal + request + Self.sentence("no"))
        )
        #expect(code == 22)
        #expect(text == "no")
    }

    @Test func withoutTheFlagThereIsNoSentence() throws {
        let payload = Self.refusal + Self.echo(length: 16) + Self.sentence("not to be read")
        #expect(try Self.error(Self.message(type: 2, payload)).1 == nil)
    }

    @Test func otherAttributesOfTheErrorArePassedOver() throws {
        // NLMSGERR_ATTR_OFFS before the sentence.
        let offset = Self.word(8 | 2 << 16) + Self.word(36)
        let payload = Self.refusal + Self.echo(length: 16) + offset + Self.sentence("here")
        #expect(try Self.error(Self.message(type: 2, flags: 0x300, payload)).1 == "here")
    }

    @Test func theEndOfAListMayBeAnError() throws {
        guard case .done = try Self.only(Self.message(type: 3, Self.word(0))).content else {
            Issue.record("not the end")
            return
        }
        let failed = Self.message(type: 3, flags: 0x202, Self.refusal + Self.sentence("bad request"))
        let (code, text) = try Self.error(failed)
        #expect(code == 22)
        #expect(text == "bad request")
    }

    @Test func anInterruptedListSaysSoInAnyOfItsMessages() throws {
        #expect(try Self.only(Self.message(type: 16, flags: 0x10, [])).isInterrupted)
        #expect(try Self.only(Self.message(type: 3, flags: 0x12, Self.word(0))).isInterrupted)
        #expect(try !Self.only(Self.message(type: 16, flags: 0x2, [])).isInterrupted)
    }

    @Test func severalMessagesOfOneReadAreSplit() {
        let bytes =
            Self.message(type: 16, sequence: 1, [1, 2, 3]) + Self.message(type: 1, [])
            + Self.message(type: 3, sequence: 2, [])
        let envelopes = Envelope.parse(bytes[...], port: 77)
        #expect(envelopes.map { $0.sequence } == [1, 2])
        guard case .data(let message)? = envelopes.first?.content else {
            Issue.record("no data")
            return
        }
        #expect(message.type == 16)
        #expect(Array(message.payload) == [1, 2, 3])
    }

    @Test func messagesForAnotherPortAreLeftOutAndEventsAreNot() {
        let bytes = Self.message(type: 16, port: 78, []) + Self.message(type: 16, sequence: 9, port: 0, [])
        #expect(Envelope.parse(bytes[...], port: 77).map { $0.sequence } == [9])
    }

    @Test(arguments: [0, 15, 17, 0x7fff_ffff, 0xffff_ffff] as [UInt32])
    func aLengthThatMakesNoSenseEndsTheReading(length: UInt32) {
        let bytes = Self.message(type: 16, []) + Self.word(length) + Self.word(16) + Self.word(5) + Self.word(77)
        #expect(Envelope.parse(bytes[...], port: 77).count == 1)
    }

    @Test(arguments: [UInt32(bitPattern: .min), 1, .max]) func anyErrorNumberIsRead(number: UInt32) throws {
        _ = try Self.error(Self.message(type: 2, flags: 0x300, Self.word(number)))
        _ = try Self.error(Self.message(type: 2, flags: 0x200, Self.word(number) + Self.word(.max)))
    }
}
