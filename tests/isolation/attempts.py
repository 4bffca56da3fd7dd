"""Ways out of a workspace, tried by a student's program inside it. Each answers how it was refused, or raises GotIn.

Nothing here does harm where it succeeds: signals are signal 0, files are opened and not written, calls that need a
right are made with arguments that fail behind the check of the right.
"""
import ctypes
import errno
import fcntl
import glob
import json
import os
import resource
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

libc = ctypes.CDLL(None, use_errno=True)
HOME = os.environ.get('HOME', '/')
CANARY = 'canary-of-the-neighbour'
ATTEMPTS = []
# Numbers of x86-64 and aarch64, where they differ.
ARM = os.uname().machine == 'aarch64'
NR = {'init_module': 105 if ARM else 175, 'reboot': 142 if ARM else 169, 'bpf': 280 if ARM else 321, 'open_by_handle_at': 265 if ARM else 304,
      'setns': 268 if ARM else 308, 'perf_event_open': 241 if ARM else 298, 'process_vm_readv': 270 if ARM else 310, 'swapon': 224 if ARM else 167,
      'pidfd_open': 434, 'pidfd_getfd': 438, 'syslog': 116 if ARM else 103, 'fanotify_init': 262 if ARM else 300, 'sethostname': 161 if ARM else 170,
      'pivot_root': 41 if ARM else 155}


class GotIn(Exception):
    pass


class NotHere(Exception):
    """What the attempt aims at does not exist here: nothing to get into."""


def attempt(why):
    """`why`: what refuses it, for who reads the table."""
    def add(fn):
        ATTEMPTS.append((fn.__name__, why, fn))
        return fn
    return add


REFUSALS = (errno.EPERM, errno.EACCES, errno.EROFS)


def refused(fn, *args, among=REFUSALS, behind=()):
    """fn must fail with one of `among`; how it failed. One of `behind` comes after the check of the right: it got in."""
    try:
        result = fn(*args)
    except OSError as e:
        if e.errno in among:
            return errno.errorcode[e.errno]
        if e.errno in behind:
            raise GotIn(f'{fn.__name__} was allowed ({errno.errorcode[e.errno]})') from e
        raise NotHere(f'{errno.errorcode.get(e.errno, e.errno)} {e.filename or ""}') from e
    if hasattr(result, 'close'):
        result.close()
    raise GotIn(f'{fn.__name__}{args!r:.120} worked')


def call(name, *args):
    r = libc.syscall(NR[name], *(ctypes.c_long(a) if isinstance(a, int) else a for a in args))
    if r < 0:
        raise OSError(ctypes.get_errno(), name)
    return r


def create(path):
    """A file that is gone again at once where it could be made."""
    with open(path, 'xb'):
        os.unlink(path)


def in_child(fn, *args):
    """For what could not be taken back."""
    pid = os.fork()
    if pid == 0:
        try:
            fn(*args)
        except OSError as e:
            os._exit(e.errno if e.errno < 200 else 200)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


def agents():
    """The agent's processes as they can be seen: pid -> (command line, uid)."""
    found = {}
    for d in glob.glob('/proc/[0-9]*'):
        try:
            with open(f'{d}/cmdline', 'rb') as f:
                words = f.read().split(b'\0')
            with open(f'{d}/status') as f:
                uid = next(int(line.split()[1]) for line in f if line.startswith('Uid:'))
        except (OSError, StopIteration):
            continue
        if os.path.basename(words[0]) in (b'wsagent', b'wsagent-worker'):
            found[int(os.path.basename(d))] = (b' '.join(words).decode(errors='replace').strip(), uid)
    if not found:
        raise NotHere('no process of the agent is seen')
    return found


def every_agent(fn):
    how = set()
    for pid, (words, _) in agents().items():
        try:
            how.add(refused(fn, pid))
        except GotIn as e:
            raise GotIn(f'{words}: {e}') from e
    return ' '.join(sorted(how))


def told(name):
    """What the test says: by a file in the home, written when everything runs, or by the environment."""
    try:
        with open(f'{HOME}/go.json') as f:
            return json.load(f).get(name)
    except OSError:
        return os.environ.get(name)


# ---- the agent ----

@attempt('other user; Landlock keeps signals inside for the roles that share the student\'s')
def signal_the_agent():
    return every_agent(lambda pid: os.kill(pid, 0))


@attempt('init and the roles are not dumpable; Landlock forbids tracing upwards')
def trace_the_agent():
    PTRACE_SEIZE = 0x4206

    def seize(pid):
        if libc.ptrace(PTRACE_SEIZE, pid, None, None) < 0:
            raise OSError(ctypes.get_errno(), 'ptrace')
        libc.ptrace(17, pid, None, None)  # PTRACE_DETACH
    return every_agent(seize)


@attempt('the same check')
def read_the_agents_memory():
    buffer = ctypes.create_string_buffer(8)

    class Iovec(ctypes.Structure):
        _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]

    def read(pid):
        here = Iovec(ctypes.addressof(buffer), 8)
        there = Iovec(0x400000, 8)
        try:
            call('process_vm_readv', pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
        except OSError as e:
            if e.errno == errno.EFAULT:  # allowed, only nothing mapped there
                return
            raise
    return every_agent(read)


@attempt('the same check, through /proc')
def open_the_agents_memory():
    return every_agent(lambda pid: open(f'/proc/{pid}/mem', 'rb'))


@attempt('the same check; the secret is wiped there besides')
def read_the_agents_environment():
    return every_agent(lambda pid: open(f'/proc/{pid}/environ', 'rb').read())


@attempt('the same check')
def list_the_agents_descriptors():
    return every_agent(lambda pid: os.listdir(f'/proc/{pid}/fd'))


@attempt('the same check')
def steal_a_descriptor():
    def steal(pid):
        fd = call('pidfd_open', pid, 0)
        try:
            os.close(call('pidfd_getfd', fd, 3, 0))
        except OSError as e:
            if e.errno == errno.EBADF:
                return  # allowed, only no such descriptor
            raise
        finally:
            os.close(fd)
    return every_agent(steal)


@attempt('the same check')
def enter_the_agents_root():
    return every_agent(lambda pid: os.listdir(f'/proc/{pid}/root/'))


@attempt('the role is not dumpable, so the file is root\'s; Landlock: nothing below /proc is written')
def make_the_agent_the_next_to_be_killed():
    return every_agent(lambda pid: open(f'/proc/{pid}/oom_score_adj', 'r+'))


@attempt('the environment of the app is made of the profile\'s variables alone')
def find_a_credential_in_the_environment():
    bad = [k for k in os.environ if any(w in k for w in ('SECRET', 'TOKEN', 'PASSWORD', 'CONTROLLER', 'AWS_', 'ECS_', 'TASK_ID', 'CREDENTIAL'))]
    if bad:
        raise GotIn(' '.join(bad))
    return 'none there'


@attempt('only 0, 1 and 2 are handed on')
def find_an_inherited_descriptor():
    # Ours are: standard ones, and what Python and this program opened (listed by what they are).
    for fd in os.listdir('/proc/self/fd'):
        try:
            target = os.readlink(f'/proc/self/fd/{fd}')
        except OSError:
            continue
        if int(fd) > 2 and ('memfd' in target or 'anon_inode' in target or 'inotify' in target):
            raise GotIn(f'{fd} -> {target}')
    return 'none there'


@attempt('the folder belongs to the gate, and Landlock allows no file there')
def take_the_gates_address():
    return refused(open, os.environ.get('WS_RUN_DIR', '/run/ws') + '/gate.addr', 'r+b')


@attempt('the link\'s socket pair has no name; the gate\'s folder lets pass and connect only')
def make_a_file_beside_the_notice_socket():
    folder = os.path.dirname(os.environ.get('WS_NOTICE_SOCKET', '/run/ws/notice/notice.sock'))
    return refused(create, f'{folder}/mine')


# ---- the user ----

@attempt('the change of user cannot be undone')
def become_root():
    return refused(in_child, os.setuid, 0)


@attempt('no group is left')
def keep_a_group():
    extra = [g for g in os.getgroups() if g != os.getgid()]
    if extra:
        raise GotIn(f'groups {extra}')
    return refused(in_child, os.setgroups, [0])


@attempt('capabilities are dropped, the bounding set too')
def have_a_capability():
    with open('/proc/self/status') as f:
        status = dict(line.split(':\t', 1) for line in f)
    for k in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
        if int(status[k], 16):
            raise GotIn(f'{k} {status[k].strip()}')
    return 'all sets are empty'


@attempt('no_new_privs: set-uid programs give nothing')
def gain_by_a_set_uid_program():
    with open('/proc/self/status') as f:
        if 'NoNewPrivs:\t1' not in f.read():
            raise GotIn('NoNewPrivs is not set')
    for path in ('/usr/bin/su', '/bin/mount', '/usr/bin/passwd', '/usr/bin/newgrp'):
        if os.path.exists(path) and os.stat(path).st_mode & stat.S_ISUID:
            got = subprocess.run(['/proc/self/exe', '-c', 'import os; print(os.geteuid())'], capture_output=True, text=True)
            return f'euid {got.stdout.strip()}' if got.stdout.strip() != '0' else 'root'
    return 'NoNewPrivs 1'


@attempt('as above: the bit is kept by the file and has no effect')
def gain_by_a_set_uid_shell_of_my_own():
    path = os.path.join(HOME, '.own')
    with open(path, 'wb') as f, open('/bin/true', 'rb') as src:
        f.write(src.read())
    os.chmod(path, 0o4755)
    try:
        os.chown(path, 0, 0)
    except PermissionError as e:
        return errno.errorcode[e.errno]
    finally:
        os.unlink(path)
    raise GotIn('a file was given to root, with the bit')


# ---- files ----

@attempt('owner and mode; Landlock; in a container the root cannot be written')
def write_the_password_file():
    return refused(open, '/etc/passwd', 'r+b')


@attempt('owner and mode')
def read_the_shadow_file():
    return refused(open, '/etc/shadow', 'rb')


@attempt('owner and mode; Landlock; in a container the root cannot be written')
def put_a_program_into_the_path():
    return refused(create, '/usr/local/bin/ls')


@attempt('Landlock: writing ends at the student\'s own folders, whatever a folder\'s mode says')
def write_where_the_mode_allows_it():
    allowed = ('/tmp', '/var/tmp', '/dev/', '/proc/', '/sys/', HOME)
    for top in ('/var', '/run', '/opt', '/srv', '/usr'):
        for folder, folders, _ in os.walk(top):
            if folder.startswith(allowed) or os.path.realpath(folder).startswith(allowed):
                folders[:] = []
                continue
            try:
                if os.stat(folder).st_mode & stat.S_IWOTH:
                    return refused(create, f'{folder}/mine')
            except OSError:
                continue
    raise NotHere('no folder that everybody may write')


@attempt('Landlock: a folder of the student\'s own outside those named (made by whoever built the image) is read only')
def write_a_folder_of_my_own_elsewhere():
    owned = told('TEST_OWN_FOLDER') or '/opt/of-student'
    if not os.path.isdir(owned):
        raise NotHere(owned)
    return refused(create, f'{owned}/mine')


@attempt('the link count would keep it for the next save: protected_hardlinks, owner')
def link_a_file_of_roots_into_the_home():
    def link():
        os.link('/etc/passwd', f'{HOME}/passwd')
        os.unlink(f'{HOME}/passwd')
    return refused(link, among=(errno.EPERM, errno.EACCES, errno.EXDEV))


@attempt('Landlock: a rename out of the home is a write outside')
def move_a_file_out_of_the_home():
    fd, path = tempfile.mkstemp(dir=HOME)
    os.close(fd)
    try:
        return refused(os.rename, path, os.path.join(os.path.dirname(HOME.rstrip('/')), 'moved'), among=(errno.EPERM, errno.EACCES, errno.EXDEV))
    finally:
        if os.path.exists(path):
            os.unlink(path)


@attempt('CAP_DAC_READ_SEARCH is gone')
def open_by_handle():
    handle = ctypes.create_string_buffer(b'\x08\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0', 24)
    return refused(call, 'open_by_handle_at', os.open('/', os.O_RDONLY), handle, os.O_RDONLY, behind=(errno.ESTALE, errno.EINVAL, errno.EOPNOTSUPP))


@attempt('CAP_MKNOD is gone')
def make_a_device():
    def mknod():
        os.mknod(f'{HOME}/sda', stat.S_IFBLK | 0o600, os.makedev(8, 0))
        os.unlink(f'{HOME}/sda')
    return refused(mknod)


@attempt('mode; the device cgroup in a container')
def open_the_disk():
    disks = [d for d in glob.glob('/dev/[svx]d[a-z]') + glob.glob('/dev/vd[a-z]') + glob.glob('/dev/nvme*n1') + ['/dev/mem', '/dev/kmsg'] if os.path.exists(d)]
    how = {refused(open, d, 'rb') for d in disks}
    if not how:
        raise NotHere('no such device')
    return ' '.join(sorted(how))


# ---- the kernel ----

@attempt('Landlock forbids it; CAP_SYS_ADMIN is gone')
def mount_something():
    def mount():
        if libc.mount(b'none', HOME.encode(), b'tmpfs', 0, None) < 0:
            raise OSError(ctypes.get_errno(), 'mount')
        libc.umount2(HOME.encode(), 2)
    return refused(mount)


@attempt('Landlock counts in a user namespace too')
def mount_in_a_user_namespace():
    code = ('import ctypes,os,sys\nlibc=ctypes.CDLL(None,use_errno=True)\n'
            'if libc.unshare(0x10000000|0x00020000)<0: sys.exit(100+(ctypes.get_errno()==28))\n'
            'if libc.mount(b"none",b"/",None,1<<18|1<<14,None)<0: sys.exit(102)\n'
            'if libc.mount(b"none",os.environ["HOME"].encode(),b"tmpfs",0,None)<0: sys.exit(102)\nsys.exit(0)')
    code = subprocess.run([sys.executable, '-c', code]).returncode
    if code == 0:
        raise GotIn('a mount in a namespace of its own')
    return {100: 'no namespace', 101: 'no namespace (ENOSPC)', 102: 'no mount'}.get(code, f'exit {code}')


@attempt('CAP_SYS_ADMIN is gone')
def leave_the_mount_namespace():
    def unshare():
        if libc.unshare(0x00020000) < 0:
            raise OSError(ctypes.get_errno(), 'unshare')
    return refused(in_child, unshare)


@attempt('the same check as for tracing')
def enter_inits_namespace():
    return refused(in_child, lambda: call('setns', os.open('/proc/1/ns/mnt', os.O_RDONLY), 0))


@attempt('CAP_SYS_CHROOT is gone')
def change_the_root():
    return refused(in_child, os.chroot, HOME)


@attempt('CAP_SYS_ADMIN is gone')
def pivot_the_root():
    return refused(call, 'pivot_root', HOME.encode(), HOME.encode(), behind=(errno.EINVAL, errno.EBUSY))


@attempt('CAP_SYS_MODULE is gone')
def load_a_module():
    return refused(call, 'init_module', ctypes.create_string_buffer(4), 4, b'', behind=(errno.ENOEXEC, errno.EINVAL, errno.EFAULT))


@attempt('CAP_SYS_BOOT is gone')
def reboot():
    return refused(call, 'reboot', 0xfee1dead, 672274793, 0x7fffffff, 0, behind=(errno.EINVAL,))  # no such command: only the right is asked


@attempt('CAP_BPF is gone, and unprivileged use is off or refused')
def load_a_kernel_program():
    return refused(call, 'bpf', 5, ctypes.create_string_buffer(128), 128, behind=(errno.EINVAL, errno.E2BIG, errno.EFAULT))


@attempt('CAP_SYS_ADMIN is gone')
def watch_the_whole_filesystem():
    return refused(call, 'fanotify_init', 0x4, 0)  # FAN_CLASS_CONTENT


@attempt('CAP_SYS_ADMIN is gone')
def swap_to_a_file_of_mine():
    return refused(call, 'swapon', f'{HOME}/nothing'.encode(), 0, behind=(errno.ENOENT, errno.EINVAL))


@attempt('CAP_SYS_ADMIN is gone')
def rename_the_machine():
    return refused(call, 'sethostname', b'mine', -1, behind=(errno.EINVAL,))


@attempt('CAP_SYS_TIME is gone')
def set_the_clock():
    timex = ctypes.create_string_buffer(256)
    ctypes.c_uint.from_buffer(timex).value = 0x4000  # ADJ_TICK, to a value that is none

    def adjust():
        if libc.adjtimex(timex) < 0:
            raise OSError(ctypes.get_errno(), 'adjtimex')
    return refused(adjust, behind=(errno.EINVAL,))


@attempt('owner, a read-only /proc in a container, Landlock')
def have_the_kernel_start_my_program():
    return refused(open, '/proc/sys/kernel/core_pattern', 'r+')


def control_files(*names):
    """Files of control groups as they can be seen: those of version 2, and of each controller of version 1."""
    found = [f for n in names for f in glob.glob(f'/sys/fs/cgroup/{n}') + glob.glob(f'/sys/fs/cgroup/*/{n}')]
    if not found:
        raise NotHere(f'no {" or ".join(names)}')
    return found


def each_refused(paths, mode):
    return ' '.join(sorted({refused(open, p, mode) for p in paths}))


@attempt('owner; a read-only /sys in a container; Landlock')
def be_told_when_a_cgroup_ends():
    return each_refused(control_files('release_agent', 'notify_on_release', 'cgroup.subtree_control'), 'r+')


@attempt('owner; a read-only /sys in a container; Landlock')
def move_to_another_cgroup():
    return each_refused(control_files('cgroup.procs', 'tasks'), 'r+')


@attempt('the same')
def raise_my_own_limits():
    return each_refused(control_files('memory.max', 'memory.limit_in_bytes', 'cpu.max', 'cpu.cfs_quota_us', 'pids.max'), 'r+')


@attempt('CAP_SYS_ADMIN is gone')
def mount_the_cgroups_anew():
    def mount():
        for kind, options in ((b'cgroup', b'memory'), (b'cgroup2', None)):
            if libc.mount(b'none', HOME.encode(), kind, 0, options) == 0:
                libc.umount2(HOME.encode(), 2)
                return
        raise OSError(ctypes.get_errno(), 'mount')
    return refused(mount)


# ---- limits ----

@attempt('RLIMIT_NPROC is hard; a container has its pids limit besides')
def start_processes_without_end():
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    for path in glob.glob('/sys/fs/cgroup/pids.max') + glob.glob('/sys/fs/cgroup/pids/pids.max'):
        with open(path) as f:
            most = f.read().strip()
        if most.isdigit() and int(most) <= 20000:
            each_refused([path], 'r+')
            return f'pids.max {most}'
    if hard == resource.RLIM_INFINITY or hard > 20000:
        raise GotIn(f'limit {hard}')
    try:
        resource.setrlimit(resource.RLIMIT_NPROC, (hard, hard + 1000))
    except (ValueError, PermissionError):
        return f'{hard} at most'
    raise GotIn('the limit was raised')


@attempt('RLIMIT_CORE is 0: a dump would fill the home')
def dump_core():
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
        raise GotIn('core dumps are allowed')
    return '0 bytes at most'


@attempt('CAP_SYS_NICE is gone')
def go_before_everybody():
    return refused(in_child, os.setpriority, os.PRIO_PROCESS, 0, -10)


# ---- the neighbours and the controller ----

@attempt('own PID namespace')
def see_a_neighbours_process():
    mine = os.getuid()
    for d in glob.glob('/proc/[0-9]*'):
        try:
            with open(f'{d}/cmdline', 'rb') as f:
                words = f.read()
            uid = os.stat(d).st_uid
        except OSError:
            continue
        if b'isolation-app' in words and uid not in (mine, 0):
            raise GotIn(words.decode(errors='replace'))
        if b'wscontroller' in words:
            raise GotIn('the controller is seen')
    return 'not seen'


@attempt('own mount namespace, or own image; owner and mode')
def find_a_neighbours_file():
    skip = ('/proc', '/sys', '/dev')
    for folder, folders, files in os.walk('/'):
        if folder.startswith(skip):
            folders[:] = []
            continue
        if CANARY in files and not folder.startswith(HOME):
            with open(f'{folder}/{CANARY}', 'rb') as f:
                raise GotIn(f'{folder}: {f.read()[:40]!r}')
    return 'not found'


@attempt('the folder is root\'s, and hidden')
def read_the_controllers_keys():
    for path in [told('TEST_STATE_DIR') or '/var/lib/wscontroller']:
        for name in ('master.key', 'api.token', 'state.db'):
            try:
                with open(f'{path}/{name}', 'rb'):
                    raise GotIn(f'{path}/{name}')
            except OSError as e:
                how = errno.errorcode[e.errno]
    return how


@attempt('the socket is root\'s')
def ask_the_operators_socket():
    state = told('TEST_STATE_DIR') or '/var/lib/wscontroller'
    s = socket.socket(socket.AF_UNIX)
    return refused(s.connect, f'{state}/ops.sock', among=(errno.EACCES, errno.ENOENT, errno.ECONNREFUSED))


@attempt('a token is asked for')
def ask_the_controllers_api():
    return http_refused('TEST_HTTP', '/v1/workspaces', (401, 403, 404))


@attempt('a signed grant is asked for')
def read_a_save_from_storage():
    return http_refused('TEST_STORAGE', '/ws-aaaaaaaaaaaa/1-1/manifest', (400, 401, 403, 404))


@attempt('every door asks for the workspace\'s own key or cookie')
def open_the_neighbours_door():
    return http_refused('TEST_NEIGHBOUR', '/results', (400, 401, 403, 404))


@attempt('none is in a container, and elsewhere it is root\'s; it listens on no port')
def command_the_engine():
    how = set()
    for path in filter(None, (told('TEST_ENGINE'), '/var/run/docker.sock', '/run/containerd/containerd.sock', '/run/podman/podman.sock')):
        with socket.socket(socket.AF_UNIX) as s:
            how.add(refused(s.connect, path, among=(errno.EACCES, errno.ENOENT, errno.ECONNREFUSED)))
    for port in (2375, 2376):
        with socket.socket() as s:
            s.settimeout(2)
            how.add(refused(s.connect, (told('TEST_MACHINE') or '127.0.0.1', port), among=(errno.ECONNREFUSED, errno.ENETUNREACH, errno.EACCES)))
    return ' '.join(sorted(how))


@attempt('nothing of ours: the network decides whether tasks reach each other\'s ports')
def reach_a_port_that_the_neighbour_serves():
    address = told('TEST_NEIGHBOUR_PORT')
    if not address:
        raise NotHere('the neighbour serves nothing')
    host, port = address.rsplit(':', 1)
    with socket.socket() as s:
        s.settimeout(2)
        try:
            s.connect((host, int(port)))
        except OSError as e:
            return str(e)
    raise GotIn(f'{address} answers')


def http_refused(variable, path, codes):
    address = told(variable)
    if not address:
        raise NotHere(f'{variable} is not reachable by a name here')
    try:
        with urllib.request.urlopen(f'http://{address}{path}', timeout=5) as r:
            raise GotIn(f'{r.status} {r.read(200)!r}')
    except urllib.error.HTTPError as e:
        if e.code in codes:
            return f'{e.code}'
        raise GotIn(f'{e.code}') from e
    except (urllib.error.URLError, OSError) as e:
        return f'{getattr(e, "reason", e)}'


@attempt('Landlock: abstract sockets of others are out of reach')
def connect_to_an_abstract_socket_outside():
    name = told('TEST_ABSTRACT')
    if not name:
        raise NotHere('the network is another one')
    s = socket.socket(socket.AF_UNIX)
    return refused(s.connect, '\0' + name, among=(errno.EPERM, errno.EACCES, errno.ECONNREFUSED))


@attempt('raw sockets need CAP_NET_RAW')
def listen_to_the_network():
    return refused(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0)


@attempt('CAP_NET_ADMIN is gone')
def change_an_interface():
    with open('/sys/class/net/lo/mtu') as f:
        same = int(f.read())  # so that nothing changes where it works
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return refused(fcntl.ioctl, s.fileno(), 0x8922, struct.pack('16sI20x', b'lo', same))  # SIOCSIFMTU


@attempt('a port below 1024 needs CAP_NET_BIND_SERVICE (or the runtime allows it in an own network, where it is nobody\'s)')
def take_a_well_known_port():
    s = socket.socket()
    with open('/proc/sys/net/ipv4/ip_unprivileged_port_start') as f:
        if int(f.read()) == 0:
            raise NotHere('own network: every port is the container\'s')
    return refused(s.bind, ('127.0.0.1', 81))


@attempt('no route, or the runtime\'s rule; where a metadata service answers, a task has no role of its own')
def ask_the_metadata_service():
    for address in ('169.254.169.254', '169.254.170.2'):
        s = socket.socket()
        s.settimeout(1)
        try:
            s.connect((address, 80))
        except OSError as e:
            how = str(e)
            continue
        raise GotIn(f'{address} answers')
    return how


def run():
    results = []
    for name, why, fn in ATTEMPTS:
        try:
            how, state = fn(), 'refused'
        except GotIn as e:
            how, state = str(e), 'GOT IN'
        except NotHere as e:
            how, state = str(e), 'not here'
        except Exception as e:  # noqa: BLE001: what an attempt meets is told, never swallowed
            how, state = f'{type(e).__name__}: {e}', 'error'
        results.append({'name': name, 'state': state, 'how': str(how)[:300], 'why': why})
    return results


if __name__ == '__main__':
    json.dump(run(), sys.stdout, indent=1)
