// SPDX-License-Identifier: Apache-2.0

import Addressing

extension ElementBatch {
    /// A key or value as it lies in the kernel; nothing if it has a part of another kind.
    ///
    /// Parts are addresses of either kind, protocols, ports and names of interfaces in quotation marks, with dots between them; each but an
    /// only one fills whole words. A dot at the end says that another part follows.
    static func encode(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        let parts = Array(text.utf8).split(separator: UInt8(ascii: " "))
        for (place, part) in parts.enumerated() {
            if place % 2 == 1 {
                guard part.elementsEqual(".".utf8) else { return nil }
                continue
            }
            guard let part = encodePart(String(decoding: Array(part), as: UTF8.self)) else { return nil }
            bytes += part
            while parts.count > 1 && bytes.count % 4 != 0 { bytes.append(0) }
        }
        return bytes
    }

    private static func encodePart(_ text: String) -> [UInt8]? {
        switch text {
        case "tcp": return [6]
        case "udp": return [17]
        case "sctp": return [132]
        default: break
        }
        let characters = Array(text.utf8)
        if characters.first == UInt8(ascii: "\"") {
            guard characters.count > 2, characters.count <= 17, characters.last == UInt8(ascii: "\"") else {
                return nil
            }
            let name = characters[1..<(characters.count - 1)]
            return name + [UInt8](repeating: 0, count: 16 - name.count)
        }
        if let port = UInt16(text) { return [UInt8(port >> 8), UInt8(port & 0xff)] }
        return IPAddress(text)?.bytes ?? MACAddress(text)?.bytes
    }
}
