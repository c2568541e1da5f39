// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

/// A cache of the store's directory, which answers in constant time what would need a reading of all files.
///
/// The directory is the truth. The index says at which state of the directory it was made: the time of the directory's
/// last change, which every change that goes past the index moves. After each change of ours we set that time to one of
/// our own, with nanoseconds that no clock tick has, so that a foreign change within the same tick shows as well. When the
/// time differs, the machine was started anew, or the directory is another one, the index is made anew.
///
///     header, 256 bytes: see the offsets below
///     leases, `capacity` slots of 192 bytes, by the key of the lease, open addressing
///     words, `capacity` slots of 32 bytes, by address / 64, open addressing: a bit for each address that is taken
struct LeaseIndex: ~Copyable {
    static var magic: UInt64 { 0x3158_4449_494e_4353 }
    static var headerSize: Int { 256 }
    static var slotSize: Int { 192 }
    static var wordSize: Int { 32 }
    static var pathCapacity: Int { 136 }
    static var emptyKey: UInt64 { 0 }
    static var usedKey: UInt64 { 1 }

    private enum Field {
        static var magic: Int { 0 }
        static var capacity: Int { 8 }
        static var usedSlots: Int { 16 }
        static var usedWords: Int { 24 }
        static var device: Int { 32 }
        static var inode: Int { 40 }
        static var seconds: Int { 48 }
        static var nanoseconds: Int { 56 }
        static var boot: Int { 64 }
    }

    let file: MappedFile
    let capacity: Int

    static func size(capacity: Int) -> Int { headerSize + capacity * (slotSize + wordSize) }

    /// Takes over a mapping of an index that exists; nothing if it is none or is cut short.
    init?(existing file: consuming MappedFile) {
        guard file.size >= Self.headerSize, file.load(UInt64.self, at: Field.magic) == Self.magic,
            case let capacity = file.load(UInt64.self, at: Field.capacity), capacity >= 64, capacity < 1 << 40,
            capacity & (capacity - 1) == 0, file.size == Self.size(capacity: Int(capacity))
        else {
            return nil
        }
        self.capacity = Int(capacity)
        self.file = file
    }

    /// Takes over a mapping of zeros.
    init(fresh file: consuming MappedFile, capacity: Int) {
        file.store(UInt64(capacity), at: Field.capacity)
        file.store(Self.magic, at: Field.magic)
        self.capacity = capacity
        self.file = file
    }

    /// Whether the index describes the directory as it is now.
    func matches(_ directory: FileStatus, boot: UInt64) -> Bool {
        file.load(UInt64.self, at: Field.device) == directory.device
            && file.load(UInt64.self, at: Field.inode) == directory.inode
            && file.load(Int64.self, at: Field.seconds) == directory.modified.seconds
            && file.load(Int64.self, at: Field.nanoseconds) == directory.modified.nanoseconds
            && file.load(UInt64.self, at: Field.boot) == boot
            // A file system that keeps whole seconds cannot tell changes apart.
            && directory.modified.nanoseconds != 0
    }

    /// Notes the state of the directory that the index describes.
    func stamp(_ directory: FileStatus, boot: UInt64) {
        file.store(directory.device, at: Field.device)
        file.store(directory.inode, at: Field.inode)
        file.store(directory.modified.seconds, at: Field.seconds)
        file.store(directory.modified.nanoseconds, at: Field.nanoseconds)
        file.store(boot, at: Field.boot)
    }

    /// Forgets what state of the directory the index describes, until the next stamp.
    func invalidate() { file.store(UInt64(0), at: Field.boot) }

    /// Whether there is room for another lease without long searches.
    var hasRoom: Bool { usedSlots < capacity * 2 / 3 && usedWords < capacity * 2 / 3 }

    var usedSlots: Int {
        get { Int(file.load(UInt64.self, at: Field.usedSlots)) }
        nonmutating set { file.store(UInt64(newValue), at: Field.usedSlots) }
    }

    var usedWords: Int {
        get { Int(file.load(UInt64.self, at: Field.usedWords)) }
        nonmutating set { file.store(UInt64(newValue), at: Field.usedWords) }
    }
}
