/** runtime.v1.StopContainerRequest: `string container_id = 1; int64 timeout = 2`, in protobuf's wire format. */
export function encodeStopContainer(id: string, timeoutSeconds: number): Buffer {
  const name = Buffer.from(id, 'utf8');
  return Buffer.concat([Buffer.from([0x0a]), varint(name.length), name, Buffer.from([0x10]), varint(timeoutSeconds)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}
