import type { ComputeService } from './compute/port.ts';
import type { RequestCounts } from './http/counter.ts';
import type { ImageService } from './image/port.ts';
import type { NetworkService } from './network/port.ts';
import type { PlacementService } from './placement/port.ts';
import type { VolumeService } from './volume/port.ts';

/** Who one is at a cloud, and in which project. */
export interface Identity {
  readonly userId: string;
  readonly userName: string;
  readonly projectId: string;
  readonly projectName: string;
  /** Names. */
  readonly roles: readonly string[];
}

export interface IdentityService {
  /** Of the token that is used now. Rejects with AuthenticationFailed when there is none to be had. */
  whoAmI(signal?: AbortSignal): Promise<Identity>;
}

/**
 * One project of an OpenStack cloud. Services are found and their versions agreed on when they are first called; each
 * call rejects with an OpenStackError, whose disposition says whether to repeat it, or with its signal's reason.
 */
export interface Cloud extends AsyncDisposable {
  /** As the settings call it. */
  readonly name: string;
  readonly identity: IdentityService;
  readonly compute: ComputeService;
  readonly network: NetworkService;
  readonly image: ImageService;
  /** Absent where the cloud has none. */
  readonly volume?: VolumeService;
  readonly placement?: PlacementService;
  readonly requests: RequestCounts;
}
