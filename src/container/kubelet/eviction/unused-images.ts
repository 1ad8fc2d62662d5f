import { messageOf } from '../../../base/errors.ts';
import type { CriImage } from '../../cri.ts';
import type { KubeletContext } from '../port.ts';

/** No registry gives these again: what a disk of the machine brought, and what every pod begins with. */
const IRREPLACEABLE = /^(localhost(:\d+)?\/|.*\/pause[:@])/;

/** Images that no container was made from. */
export class UnusedImages {
  readonly #context: Pick<KubeletContext, 'cri' | 'log'>;

  constructor(context: Pick<KubeletContext, 'cri' | 'log'>) {
    this.#context = context;
  }

  /** Removes them; whether there were any. */
  async remove(signal: AbortSignal): Promise<boolean> {
    const { cri, log } = this.#context;
    const [images, containers] = await Promise.all([cri.listImages(signal), cri.listContainers(signal)]);
    const used = new Set(containers.flatMap(({ image, imageRef }) => [image, imageRef]));
    const unused = images.filter((image) => ![image.id, ...namesOf(image)].some((name) => used.has(name) || IRREPLACEABLE.test(name)));
    for (const { id } of unused) {
      await cri.removeImage(id, signal).catch((error: unknown) => log.debug({ image: id, error: messageOf(error) }, 'the image stays'));
    }
    return unused.length > 0;
  }
}

function namesOf({ repoTags, repoDigests }: CriImage): readonly string[] {
  return [...repoTags, ...repoDigests];
}
