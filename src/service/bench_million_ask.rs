//! The process that is asked: opens one of the sets as the service does, and answers each question
//! of the table many times, for accounts and ids it picks by chance.
//!
//! On its input come lines `QUESTION COUNT`; for each it prints the nanoseconds every answer took.
//! Every answer is looked at, so that an error is never timed as an answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::image::DiskKind;
use domain::machine::MachineAsked;
use event::Actor;
use redb::{Database, ReadableDatabase as _, TableDefinition};
use service::{
    Call, CreateDisk, DEFAULT_REGION, Families, FamilyView, ImageAt, ImageCreate, ImageQuery, ImageRequest,
    ImageView, Images, Manner, Options, PROTOCOL, Page, Reply, Request, Service, Trouble, dispatch,
};

use crate::set::{self, BIG_ACCOUNT, IMAGES_EACH, LINE_BYTES, Set};

/// Openings timed; the median counts.
const OPENINGS: usize = 5;
/// Images of a page that is asked for.
const PAGE: u32 = 10;
/// The cache of the engine's redb, and so of the bare one.
const CACHE_BYTES: usize = 512 << 20;
/// Rows of the bare table.
const BARE_ROWS: u64 = 1_000_000;
/// Bytes of a key there: those of an image's row.
const BARE_KEY_BYTES: usize = 48;

const BARE: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("bare");

/// Everything that is asked: as the table and the line on the input have it.
pub(crate) const QUESTIONS: [&str; 11] = [
    "describe by id",
    "describe by name",
    "page of a family",
    "page of a tag",
    "page of a name with *",
    "page of a status",
    "page of all of one's own",
    "page of what others share",
    "resolve a family",
    "families of an account",
    "check of quotas",
];
/// What is asked about the big account alone.
pub(crate) const QUESTIONS_BIG: [&str; 5] = [
    "big: describe by id",
    "big: page of a family",
    "big: `*x*`, a page and the exact total",
    "big: `*12345*`, a page and the exact total",
    "big: page of all, and the exact total",
];

/// Answers what comes on the input.
pub(crate) fn answer_lines(set: &Set) {
    // One thread: what is timed is the work, and not how soon the system wakes another thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime is made").block_on(async {
        let mut openings = Vec::new();
        for _ in 1..OPENINGS {
            let (service, took) = open(set).await;
            openings.push(took);
            Arc::into_inner(service).expect("nobody else has it").close().await;
        }
        let (service, took) = open(set).await;
        openings.push(took);
        openings.sort_unstable();
        println!("{}", openings[OPENINGS / 2].as_nanos());
        let mut asker = Asker::new(service, set);
        for line in std::io::stdin().lock().lines() {
            let line = line.expect("a parent writes lines");
            let (question, count) = line.rsplit_once(' ').expect("a question and a count");
            let mut times = String::new();
            for _ in 0..count.parse::<u32>().expect("a count") {
                write!(times, "{} ", asker.ask(question).await.as_nanos()).expect("a string takes all");
            }
            println!("{times}");
        }
        println!("{}", peak_kib());
    });
}

async fn open(set: &Set) -> (Arc<Service>, Duration) {
    let begun = Instant::now();
    let service = Service::open(Options { dir: set.dir(), wiring: set::wiring(), drive: true }).await;
    (service.expect("the set opens"), begun.elapsed())
}

/// The most memory the process ever had, as the kernel counts it.
pub(crate) fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Numbers that look like chance and are the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Who asks.
struct Asker {
    service: Arc<Service>,
    list: File,
    snapshots: BTreeMap<String, String>,
    accounts: u64,
    big: u64,
    chance: Chance,
    bare: Option<Database>,
}

impl Asker {
    fn new(service: Arc<Service>, set: &Set) -> Self {
        Self {
            service,
            list: File::open(set.list()).expect("the set is made"),
            snapshots: set.snapshots(),
            accounts: set.accounts,
            big: set.big,
            chance: Chance(1),
            bare: None,
        }
    }

    /// An image's id.
    fn id(&self, line: u64) -> String {
        let mut bytes = [0; LINE_BYTES];
        self.list.read_exact_at(&mut bytes, line * LINE_BYTES as u64).expect("the list has a line each");
        let line = std::str::from_utf8(&bytes).expect("the list is text");
        line.trim_end().split_once(' ').expect("an account and an id").1.to_owned()
    }

    /// Asks one question, about an account and an image of it by chance.
    async fn ask(&mut self, question: &str) -> Duration {
        let (question, big) = match question.strip_prefix("big: ") {
            Some(question) => (question, true),
            None => (question, false),
        };
        let (images, account, first) = if big {
            (self.big, BIG_ACCOUNT.to_owned(), self.accounts * IMAGES_EACH)
        } else {
            let number = self.chance.below(self.accounts);
            (IMAGES_EACH, set::account(number), number * IMAGES_EACH)
        };
        let number = self.chance.below(images);
        let of_family = set::FAMILY_IMAGES;
        let list = |query: ImageQuery| {
            let page = Some(Page { number: 1, size: PAGE });
            Request::ImageList(ImageQuery { owner: Some("self".to_owned()), page, ..query })
        };
        let query = ImageQuery::default();
        match question {
            "a bare redb point read" => self.bare(),
            "describe by id" => {
                let id = self.id(first + number);
                let at = ImageAt { image: id.clone(), region: None };
                let (view, took) = self.timed::<ImageView>(&account, Request::ImageShow(at)).await;
                assert_eq!((view.image_id, view.image_name), (id, set::image_name(number)));
                took
            }
            "describe by name" => {
                let at = ImageAt { image: set::image_name(number), region: None };
                let (view, took) = self.timed::<ImageView>(&account, Request::ImageShow(at)).await;
                assert_eq!(view.image_id, self.id(first + number));
                took
            }
            "page of a family" => {
                let family = Some(set::family(number));
                self.page(&account, list(ImageQuery { family, ..query }), of_family..=of_family).await
            }
            "page of a tag" => {
                let tags = vec![("team".to_owned(), Some(set::team(number)))];
                let total = images / set::TEAMS;
                self.page(&account, list(ImageQuery { tags, ..query }), total..=total).await
            }
            "page of a name with *" => {
                let name = Some(format!("web-*{:02}-x*", number % 100));
                let total = images / 100;
                self.page(&account, list(ImageQuery { name, ..query }), total..=total).await
            }
            "page of a status" => {
                let status = Some("Deprecated".to_owned());
                let total = (0..images).filter(|number| set::is_deprecated(*number)).count() as u64;
                self.page(&account, list(ImageQuery { status, ..query }), total..=total).await
            }
            "page of all of one's own" | "page of all, and the exact total" => {
                self.page(&account, list(query), images..=images).await
            }
            "page of what others share" => {
                let page = Some(Page { number: 1, size: PAGE });
                let query = ImageQuery { owner: Some("others".to_owned()), page, ..query };
                // Two hundred on average, and a little of chance.
                self.page(&account, Request::ImageList(query), 100..=320).await
            }
            "resolve a family" => {
                let family = set::family(number);
                let request = Request::FamilyShow { family: family.clone(), region: None };
                let (view, took) = self.timed::<FamilyView>(&account, request).await;
                assert_eq!((view.image.image_family, view.members.len() as u64), (family, of_family));
                took
            }
            "families of an account" => {
                let (view, took) =
                    self.timed::<Families>(&account, Request::FamilyList { region: None }).await;
                assert_eq!(view.families.len() as u64, images / of_family);
                took
            }
            "check of quotas" => self.quotas(&account, number).await,
            "`*x*`, a page and the exact total" => {
                let name = Some("*x*".to_owned());
                self.page(&account, list(ImageQuery { name, ..query }), images..=images).await
            }
            "`*12345*`, a page and the exact total" => {
                let name = Some("*12345*".to_owned());
                self.page(&account, list(ImageQuery { name, ..query }), 1..=1).await
            }
            other => panic!("nobody asks `{other}`"),
        }
    }

    async fn page(&self, account: &str, request: Request, total: std::ops::RangeInclusive<u64>) -> Duration {
        let (view, took) = self.timed::<Images>(account, request).await;
        assert!(total.contains(&view.total_count), "{} images of {total:?}", view.total_count);
        assert_eq!(view.images.len() as u64, u64::from(PAGE).min(view.total_count));
        took
    }

    /// A creation that is only tried: what it reads is names, quotas and usage, as the rule does.
    async fn quotas(&self, account: &str, number: u64) -> Duration {
        let create = ImageCreate {
            disks: vec![CreateDisk {
                snapshot: Some(self.snapshots[account].clone()),
                kind: Some(DiskKind::System),
                ..CreateDisk::default()
            }],
            name: "one-more".to_owned(),
            family: Some(set::family(number)),
            region: Some(DEFAULT_REGION.into()),
            machine: MachineAsked::default(),
            ..ImageCreate::default()
        };
        let manner = Manner { dry_run: true, ..Manner::default() };
        let request = Request::Image(ImageRequest::Create(create));
        let (answer, took) = self.dispatch(account, manner, request).await;
        assert_eq!(answer.expect_err("a dry run does nothing").code, "DryRunOperation");
        took
    }

    async fn timed<T: TryFrom<Reply, Error = Trouble>>(
        &self,
        account: &str,
        request: Request,
    ) -> (T, Duration) {
        let (reply, took) = self.dispatch(account, Manner::default(), request).await;
        (T::try_from(reply.expect("it is answered")).expect("with what was asked"), took)
    }

    async fn dispatch(
        &self,
        account: &str,
        manner: Manner,
        request: Request,
    ) -> (Result<Reply, Trouble>, Duration) {
        let actor = Actor { account: account.to_owned(), key: String::new() };
        let id = String::from("asked");
        let call = Call { protocol: PROTOCOL, drive: true, actor, id, manner, request };
        let begun = Instant::now();
        let reply = dispatch(&self.service, call).await;
        (reply, begun.elapsed())
    }

    /// One row of the bare table, with a transaction of its own as every question has.
    fn bare(&mut self) -> Duration {
        let key = bare_key(self.chance.below(BARE_ROWS));
        let db = self.bare.get_or_insert_with(|| {
            let path = std::env::var_os("KILN_BENCH_BARE").expect("the parent says where it is");
            Database::builder().set_cache_size(CACHE_BYTES).open(PathBuf::from(path)).expect("it opens")
        });
        let begun = Instant::now();
        let table = db.begin_read().expect("it reads").open_table(BARE).expect("it has the table");
        let value = table.get(key.as_slice()).expect("it reads").expect("it has every row").value().to_vec();
        let took = begun.elapsed();
        assert!(!value.is_empty());
        took
    }
}

fn bare_key(number: u64) -> Vec<u8> {
    // As ids of images are, keys are spread over the table and sort by nothing that is asked for.
    let mixed = Chance(number).below(u64::MAX);
    format!("image/{mixed:020}/{number:0>21}").into_bytes()
}

/// Makes the bare table: as many rows as there are images, each as long as an image's.
pub(crate) fn make_bare(path: &Path, value_bytes: usize) {
    let unborn = path.with_extension("new");
    // Left over from a run that was killed.
    let _ = std::fs::remove_file(&unborn);
    let db = Database::builder().set_cache_size(CACHE_BYTES).create(&unborn).expect("it is made");
    let mut keys: Vec<Vec<u8>> = (0..BARE_ROWS).map(bare_key).collect();
    assert!(keys.iter().all(|key| key.len() == BARE_KEY_BYTES));
    keys.sort_unstable();
    let mut chance = Chance(7);
    for some in keys.chunks(100_000) {
        let txn = db.begin_write().expect("it writes");
        {
            let mut table = txn.open_table(BARE).expect("it has the table");
            for key in some {
                let byte = u8::try_from(chance.below(256)).expect("a byte");
                table.insert(key.as_slice(), vec![byte; value_bytes].as_slice()).expect("it writes");
            }
        }
        txn.commit().expect("it commits");
    }
    drop(db);
    std::fs::rename(unborn, path).expect("it gets its name");
    std::io::stderr().flush().expect("a terminal");
}
