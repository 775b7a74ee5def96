<?php
// Run by PHP: fills a freshly installed wiki through MediaWiki's own classes, writes the truth down.
//
//     MW_CONFIG_FILE=LocalSettings.php php mediawiki_fill.php SETTINGS.json
//
// SETTINGS: maintenance (MediaWiki's folder of scripts), media, pictures, revised (other pictures of
// the same names) and truth (the file to write).

use MediaWiki\MediaWikiServices;
use MediaWiki\Revision\SlotRecord;

// Read first: Maintenance takes the arguments away.
$told = json_decode(file_get_contents($argv[1]), true, 16, JSON_THROW_ON_ERROR);
require_once $told['maintenance'] . '/Maintenance.php';

class FillWiki extends Maintenance
{
    private const FILES = 6; // the namespace; its constant is not there yet when this is read
    private const NAMED = [
        // Columns with a file's name in them, by which no file is read; and where to look.
        'page.page_title' => ['page_namespace' => self::FILES],
        'logging.log_title' => ['log_namespace' => self::FILES],
        'recentchanges.rc_title' => ['rc_namespace' => self::FILES],
        'watchlist.wl_title' => ['wl_namespace' => self::FILES],
        'archive.ar_title' => ['ar_namespace' => self::FILES],
        'job.job_title' => ['job_namespace' => self::FILES],
        'imagelinks.il_to' => [],
        'oldimage.oi_name' => [],
        'filearchive.fa_name' => [],
    ];
    private array $told;
    private array $holds = [];
    private array $computed = [];
    private array $mentions = [];
    private array $abandoned = [];

    public function __construct()
    {
        parent::__construct();
        global $told;
        $this->told = $told;
        $this->addArg('settings', 'what to fill it with');
    }

    public function execute()
    {
        $repo = MediaWikiServices::getInstance()->getRepoGroup()->getLocalRepo();
        $user = User::newSystemUser('Archivist', ['steal' => true]);
        $files = array_map(fn ($path) => $this->upload($repo, $path, $user), $this->told['pictures']);
        foreach ($this->told['revised'] as $path) {
            // The first version moves to the archive, and a comment says so.
            $file = $this->upload($repo, $path, $user);
            $this->mentions['comment.comment_text'][$file->getRel()] = true;
        }
        foreach ($files as $file) {
            foreach ([120, 220] as $width) {
                $file->load(File::READ_LATEST);
                $this->ok($file->transform(['width' => $width], File::RENDER_NOW));
            }
        }
        foreach (array_slice($files, 0, 3) as $number => $file) {
            $this->write("News $number", $this->article($file, $files[$number + 1]), $user);
        }
        $this->write('User:Archivist', '[[File:' . $files[5]->getTitle()->getText() . ']]', $user);
        $this->mentions['text.old_text'][$files[5]->getRel()] = true;
        MediaWikiServices::getInstance()->getWatchedItemStore()->addWatch($user, $files[2]->getTitle());
        // Deleted in order: what is kept to be undeleted has a name of its own.
        $deleted = array_splice($files, -2);
        foreach ($deleted as $file) {
            $this->ok($file->deleteFile('not ours', $user));
        }
        $this->stash($repo, $user);
        foreach (array_splice($files, -2) as $file) {
            $this->lose($repo, $file);
        }
        $this->half($repo, $user);
        $this->tell($repo);
    }

    private function upload($repo, string $path, User $user): LocalFile
    {
        $file = $repo->newFile(Title::makeTitleSafe(NS_FILE, basename($path)));
        $this->ok($file->upload($path, 'for the archive', 'A picture', 0, false, false, $user));
        return $file;
    }

    /** An article that shows one file by its name, and another by the full URL of its thumbnail. */
    private function article(LocalFile $named, LocalFile $linked): string
    {
        $thumb = $linked->transform(['width' => 120], File::RENDER_NOW);
        $url = wfExpandUrl($thumb->getUrl(), PROTO_CANONICAL);
        $key = 'thumb/' . $linked->getRel() . '/' . $linked->thumbName(['width' => 120]);
        foreach (['text.old_text', 'externallinks.el_to', 'externallinks.el_index'] as $column) {
            $this->holds[$column][$key] = true;
            $this->mentions[$column][$linked->getRel()] = true; // the thumbnail's folder
        }
        // The index of that table ends after 60 bytes, often in the middle of a name.
        $start = substr(LinkFilter::makeIndexes($url)[0], 0, 60);
        if (str_contains($start, "/{$linked->getName()}/")) {
            $this->mentions['externallinks.el_index_60'][$linked->getRel()] = true;
        }
        $name = $named->getTitle()->getText();
        $this->mentions['text.old_text'][$named->getRel()] = true;
        return "[[File:$name|thumb|With a caption]] [[Media:$name|the file]] [$url a link]";
    }

    private function write(string $title, string $text, User $user): void
    {
        $page = MediaWikiServices::getInstance()->getWikiPageFactory()
            ->newFromTitle(Title::newFromText($title));
        $updater = $page->newPageUpdater($user);
        $updater->setContent(SlotRecord::MAIN, ContentHandler::makeContent($text, $page->getTitle()));
        $updater->saveRevision(CommentStoreComment::newUnsavedComment('written'));
        $this->ok($updater->getStatus());
    }

    /** A finished upload that its user has not yet put anywhere. */
    private function stash($repo, User $user): void
    {
        $stashed = $repo->getUploadStash($user)->stashFile($this->told['pictures'][0], 'file');
        $key = 'temp/' . substr($stashed->getPath(), strlen($repo->getZonePath('temp')) + 1);
        $this->holds['uploadstash.us_path'][$key] = true;
    }

    /** The image's row goes as a script takes it; the page about it and its files stay. */
    private function lose($repo, LocalFile $file): void
    {
        array_push($this->abandoned, $file->getRel(), ...$this->thumbs($file));
        $repo->getPrimaryDB()->delete('image', ['img_name' => $file->getName()], __METHOD__);
    }

    /** An upload that died after the file was put in its place and before the row was written. */
    private function half($repo, User $user): void
    {
        $file = $repo->newFile(Title::makeTitleSafe(NS_FILE, 'Never recorded.png'));
        $this->ok($file->publish($this->told['pictures'][2]));
        $this->abandoned[] = $file->getRel();
    }

    /** @return string[] keys of the thumbnails that are there */
    private function thumbs(LocalFile $file): array
    {
        $keys = [];
        foreach (glob($this->told['media'] . '/thumb/' . $file->getRel() . '/*') as $path) {
            $keys[] = substr($path, strlen($this->told['media']) + 1);
        }
        return $keys;
    }

    private function ok($result): void
    {
        if ($result instanceof MediaTransformError) {
            $this->fatalError($result->toText());
        }
        if ($result instanceof StatusValue && !$result->isOK()) {
            $this->fatalError((string) $result);
        }
    }

    private function tell($repo): void
    {
        $database = $repo->getPrimaryDB();
        $there = [];
        foreach ($database->selectFieldValues('image', 'img_name', [], __METHOD__) as $name) {
            $file = $repo->newFile($name);
            $this->holds['image.img_name'][$file->getRel()] = true;
            foreach ($this->thumbs($file) as $key) {
                $this->computed['image.img_name'][$key] = true;
            }
            foreach ($file->getHistory() as $old) {
                $this->holds['oldimage.oi_archive_name'][$old->getRel()] = true;
                $this->computed['oldimage.oi_name'][$old->getRel()] = true;
            }
        }
        foreach ($database->selectFieldValues('filearchive', 'fa_storage_key', [], __METHOD__) as $key) {
            $path = 'deleted/' . $repo->getDeletedHashPath($key) . $key;
            $this->holds['filearchive.fa_storage_key'][$path] = true;
        }
        foreach (self::NAMED as $column => $where) {
            [$table, $field] = explode('.', $column);
            foreach ($database->selectFieldValues($table, $field, $where, __METHOD__) as $name) {
                $key = $repo->newFile($name)->getRel();
                if (is_file($this->told['media'] . '/' . $key)) {
                    $this->mentions[$column][$key] = true;
                }
            }
        }
        // A job that waits says its title a second time, among its serialised parameters.
        $this->mentions['job.job_params'] = $this->mentions['job.job_title'];
        $keys = fn (array $columns) => (object) array_map(
            fn (array $found) => array_map('strval', array_keys($found)), $columns);
        file_put_contents($this->told['truth'], json_encode([
            'holds' => $keys($this->holds),
            'computed' => $keys($this->computed),
            'mentions' => $keys($this->mentions),
            'abandoned' => $this->abandoned,
        ], JSON_THROW_ON_ERROR));
    }
}

$maintClass = FillWiki::class;
require_once RUN_MAINTENANCE_IF_MAIN;
