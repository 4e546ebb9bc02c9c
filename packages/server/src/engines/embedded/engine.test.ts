// The embedded engine against the suites that every engine passes.

import { reopenable } from '../../../testing/store-folder.ts'
import { busConforms } from '../conformance/bus.ts'
import { logStoreFollowsModel } from '../conformance/log-model.ts'
import { logStoreConforms } from '../conformance/log-store.ts'
import { roomDirectoryConforms } from '../conformance/room-directory.ts'
import { InProcessHub } from './bus.ts'

logStoreConforms('embedded', async (t) => {
  const { engine, reopen } = await reopenable(t)
  return { logs: engine.logs, reopen: async () => (await reopen()).logs }
})

logStoreConforms('embedded, two logs in memory', async (t) => {
  const { engine, reopen } = await reopenable(t, { logsMax: 2, writeBufferBytes: 65_536 })
  return { logs: engine.logs, reopen: async () => (await reopen()).logs }
})

logStoreFollowsModel('embedded', async (t) => {
  const { engine, reopen } = await reopenable(t, { logsMax: 2 })
  return { logs: engine.logs, reopen: async () => (await reopen()).logs }
})

roomDirectoryConforms('embedded', async (t) => {
  const { engine, reopen } = await reopenable(t)
  return { rooms: engine.rooms, reopen: async () => (await reopen()).rooms }
})

busConforms('embedded', async (t) => {
  const hub = new InProcessHub()
  const [one, two] = [hub.node(), hub.node()]
  t.after(() => Promise.all([one.close(), two.close()]))
  return { one, two, settled: async () => undefined }
})
