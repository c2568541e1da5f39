// SPDX-License-Identifier: Apache-2.0

import CLinux

/// A file seen as memory, with every access checked against its size: mmap(2).
@safe public struct MappedFile: ~Copyable {
    private let address: UnsafeMutableRawPointer
    /// The size in bytes.
    public let size: Int

    /// Maps the first bytes of a file for reading and writing.
    ///
    /// The blocks must exist, or writing for want of space would be a signal instead of an error.
    public static func map(_ descriptor: borrowing FileDescriptor, size: Int) throws(Errno) -> MappedFile {
        var error: CInt = 0
        guard let address = unsafe linux_map(descriptor.rawValue, size, true, &error) else { throw Errno(error) }
        return unsafe MappedFile(address: address, size: size)
    }

    private init(address: UnsafeMutableRawPointer, size: Int) {
        unsafe self.address = address
        self.size = size
    }

    deinit { unsafe linux_unmap(address, size) }

    /// Reads a value at an offset in bytes.
    public func load<T: BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= size)
        return unsafe address.loadUnaligned(fromByteOffset: offset, as: T.self)
    }

    /// Writes a value at an offset in bytes.
    public func store<T: BitwiseCopyable>(_ value: T, at offset: Int) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= size)
        unsafe address.storeBytes(of: value, toByteOffset: offset, as: T.self)
    }

    /// Copies bytes out.
    public func bytes(at offset: Int, count: Int) -> [UInt8] {
        precondition(offset >= 0 && count >= 0 && offset + count <= size)
        return unsafe [UInt8](UnsafeRawBufferPointer(start: address + offset, count: count))
    }

    /// Copies bytes in.
    public func store(_ bytes: [UInt8], at offset: Int) {
        precondition(offset >= 0 && offset + bytes.count <= size)
        unsafe bytes.withUnsafeBytes { source in
            guard let base = source.baseAddress else { return }
            unsafe (address + offset).copyMemory(from: base, byteCount: source.count)
        }
    }
}
