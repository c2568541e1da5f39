// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Whether something becomes true in time; what throws is looked at again, and throws what it threw last when the time is over.
///
/// The time is what a busy machine may take and no claim of speed: how fast something happens is measured by `make bench`.
public func eventually<Failure: Error>(
    _ seconds: Double = 30,
    _ condition: () throws(Failure) -> Bool
) throws(Failure) -> Bool {
    let end = ContinuousClock.now + .seconds(seconds)
    while true {
        let isLast = ContinuousClock.now > end
        do throws(Failure) {
            if try condition() { return true }
        } catch {
            if isLast { throw error }
        }
        if isLast { return false }
        usleep(20_000)
    }
}
