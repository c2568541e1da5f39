// SPDX-License-Identifier: Apache-2.0

import CLibMNL

/// A message of the kernel with what its header says about delivery.
struct Envelope {
    /// What is inside.
    enum Content {
        /// A message of the family.
        case data(Message)
        /// The end of a list.
        case done
        /// An acknowledgement if the number is 0, else a refusal with the kernel's sentence.
        case error(Int32, String?)
    }

    let sequence: UInt32
    let isInterrupted: Bool
    let content: Content

    /// Splits what was received into messages, leaving out what is meant for another port than ours, unless that is 0.
    static func parse(_ bytes: ArraySlice<UInt8>, port: UInt32) -> [Envelope] {
        var envelopes: [Envelope] = []
        var rest = bytes
        while rest.count >= 16, let length = rest.integer(UInt32.self, at: 0), length >= 16, Int(length) <= rest.count {
            let message = rest.prefix(Int(length))
            rest = rest.dropFirst((Int(length) + 3) & ~3)
            // Port 0 is that of messages that go to nobody in particular.
            guard let addressee = message.integer(UInt32.self, at: 12),
                addressee == port || addressee == 0 || port == 0,
                let envelope = Envelope(message)
            else {
                continue
            }
            envelopes.append(envelope)
        }
        return envelopes
    }

    private init?(_ message: ArraySlice<UInt8>) {
        guard let type = message.integer(UInt16.self, at: 4), let flags = message.integer(UInt16.self, at: 6),
            let sequence = message.integer(UInt32.self, at: 8)
        else {
            return nil
        }
        self.sequence = sequence
        isInterrupted = Int32(flags) & NLM_F_DUMP_INTR != 0
        let payload = message.dropFirst(16)
        switch Int32(type) {
        case NLMSG_DONE: content = Self.errorCode(payload) == 0 ? .done : Self.error(payload, flags, echo: 4)
        case NLMSG_ERROR: content = Self.error(payload, flags, echo: 20)
        case NLMSG_NOOP: return nil
        default: content = .data(Message(type: type, payload: payload))
        }
    }

    private static func errorCode(_ payload: ArraySlice<UInt8>) -> Int32 {
        payload.integer(Int32.self, at: 0) ?? 0
    }

    /// Reads the error number and, behind the echoed request, the sentence: struct nlmsgerr.
    private static func error(_ payload: ArraySlice<UInt8>, _ flags: UInt16, echo: Int) -> Content {
        let code = 0 &- errorCode(payload)
        guard Int32(flags) & NLM_F_ACK_TLVS != 0 else { return .error(code, nil) }
        var skip = echo
        if echo == 20, Int32(flags) & NLM_F_CAPPED == 0, let echoed = payload.integer(UInt32.self, at: 4) {
            skip = 4 + (Int(echoed) + 3) & ~3
        }
        let text = Attributes(payload.dropFirst(skip)).first(Int(NLMSGERR_ATTR_MSG.rawValue))?.text
        return .error(code, text)
    }
}
