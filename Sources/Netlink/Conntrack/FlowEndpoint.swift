// SPDX-License-Identifier: Apache-2.0

import Addressing

/// An address with the port behind it, as one end of a flow.
public struct FlowEndpoint: Hashable, Sendable {
    /// The address.
    public let address: IPAddress
    /// The port.
    public let port: UInt16

    /// Makes an end of a flow.
    public init(_ address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}
