// SPDX-License-Identifier: Apache-2.0

import Addressing

@testable import Netlink

/// Reads any bytes as messages of the kernel and as attributes, as deep as they are nested.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    walk(Attributes(bytes[...]), depth: 0)
    for envelope in Envelope.parse(bytes[...], port: 0) {
        guard case .data(let message) = envelope.content else { continue }
        for size in [0, 1, 8, 12, 16] { walk(message.attributes(after: size), depth: 0) }
        _ = Link(message)
        _ = InterfaceAddress(message)
        _ = Route(message)
        _ = Neighbour(message)
        if let flow = Flow(message) { walk(flow) }
    }
    return 0
}

/// Reads every attribute in every way.
private func walk(_ attributes: Attributes, depth: Int) {
    for attribute in attributes {
        _ = (attribute.uint8, attribute.uint16, attribute.uint32, attribute.text)
        if depth < 8 { walk(attribute.nested, depth: depth + 1) }
    }
}

/// Reads both directions of a flow.
private func walk(_ flow: Flow) {
    for tuple in [flow.original, flow.reply] {
        _ = (tuple.transport, tuple.source, tuple.sourcePort, tuple.destination, tuple.destinationPort)
    }
}
