// What travels between a Nitka server and its clients. No I/O, no schema library: those who only validate load
// `@nitka/protocol/schemas`.

export { type CloseReason, closeCodes, closeTexts } from './close-codes.ts'
export { type ErrorCode, errors, NitkaError, toNitkaError } from './errors.ts'
export { encodeId, IdSource, idTime, isId } from './ids.ts'
export { isObject, parseJson } from './json.ts'
export { limits, plainSubprotocol, protocolVersion, rpcSubprotocol, tokenSubprotocol } from './limits.ts'
export type { Missing, Position, Recovery, RoomEntry, SystemMessage, UserId, UserMessage } from './messages.ts'
export { byteLength, clientMessageId, deviceName, displayName, plainName, userName } from './names.ts'
