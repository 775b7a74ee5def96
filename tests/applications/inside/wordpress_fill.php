<?php
// Run by PHP: makes WordPress's tables, fills them through its own functions, writes the truth down.
//
//     php wordpress_fill.php SETTINGS.json
//
// SETTINGS: wordpress (its folder), content (a wp-content of our own), host, user, password,
// database, pictures, papers, big (a picture above 2560 pixels) and truth (the file to write).

declare(strict_types=1);

$told = json_decode(file_get_contents($argv[1]), true, 16, JSON_THROW_ON_ERROR);

const SITE = 'https://blog.example.org';
define('ABSPATH', $told['wordpress'] . '/');
define('WP_CONTENT_DIR', $told['content']);
define('WP_CONTENT_URL', SITE . '/wp-content');
define('WP_HOME', SITE);
define('WP_SITEURL', SITE);
define('DB_HOST', $told['host']);
define('DB_USER', $told['user']);
define('DB_PASSWORD', $told['password']);
define('DB_NAME', $told['database']);
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_INSTALLING', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('DISABLE_WP_CRON', true);
foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT',
    'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT'] as $name) {
    define($name, 'of no use to anybody');
}
$_SERVER['HTTP_HOST'] = 'blog.example.org';
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
$table_prefix = 'wp_';

// WordPress leaves these to whoever defines them first; nothing here may send mail.
function wp_mail(): bool
{
    return true;
}

require ABSPATH . 'wp-settings.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/image-edit.php';

$holds = [];
$abandoned = [];

function column(string $column, string ...$keys): void
{
    global $holds;
    foreach ($keys as $key) {
        $holds[$column][$key] = true;
    }
}

/** The key of a URL or of a path below the uploads. */
function key_of(string $where): string
{
    $uploads = wp_get_upload_dir();
    foreach ([$uploads['baseurl'] . '/', $uploads['basedir'] . '/'] as $start) {
        if (str_starts_with($where, $start)) {
            return substr($where, strlen($start));
        }
    }
    throw new RuntimeException("not below the uploads: $where");
}

function upload(string $path, int $parent = 0): int
{
    $copy = wp_tempnam();
    copy($path, $copy);
    $id = media_handle_sideload(['name' => basename($path), 'tmp_name' => $copy], $parent);
    if (is_wp_error($id)) {
        throw new RuntimeException($path . ': ' . $id->get_error_message());
    }
    return $id;
}

/** Every file of an attachment, in its own words: [key of the meta => keys]. */
function files_of(int $id): array
{
    $folder = dirname(key_of(get_attached_file($id, true)));
    $below = fn (string $name): string => "$folder/$name";
    $meta = wp_get_attachment_metadata($id, true) ?: [];
    $backup = get_post_meta($id, '_wp_attachment_backup_sizes', true) ?: [];
    return [
        '_wp_attached_file' => [key_of(get_attached_file($id, true))],
        '_wp_attachment_metadata' => array_map($below, [
            ...array_column($meta['sizes'] ?? [], 'file'),
            ...(isset($meta['original_image']) ? [$meta['original_image']] : []),
        ]),
        '_wp_attachment_backup_sizes' => array_map($below, array_column($backup, 'file')),
    ];
}

/** Turn a picture as the editor does: new files beside the old ones, which stay to be put back. */
function turn(int $id): void
{
    $_REQUEST = ['context' => '', 'target' => 'all', 'do' => 'save',
        'history' => wp_slash('[{"r":90}]')];
    $result = wp_save_image($id);
    if (isset($result->error)) {
        throw new RuntimeException($result->error);
    }
}

/** An attachment's rows go as a careless plug-in takes them; its files stay. */
function lose(int $id): void
{
    global $wpdb, $abandoned;
    array_push($abandoned, ...array_merge(...array_values(files_of($id))));
    $wpdb->delete($wpdb->postmeta, ['post_id' => $id]);
    $wpdb->delete($wpdb->posts, ['ID' => $id]);
}

wp_install('Harbour Blog', 'admin', 'admin@example.org', true, '', 'secret');
wp_installing(false); // or transients and a few more would go to no table
wp_set_current_user(1);
$images = array_map('upload', $told['pictures']);
$papers = array_map('upload', $told['papers']);
$images[] = upload($told['big']);
$url = fn (int $id, string $size = 'full'): string => wp_get_attachment_image_url($id, $size);

// Articles: blocks, the classic editor's HTML, short codes; each keeps revisions.
foreach (array_slice($images, 0, 4) as $number => $id) {
    $paper = wp_get_attachment_url($papers[$number % 2]);
    $medium = $url($id, 'medium');
    $background = $url($images[4]);
    $post = wp_insert_post(wp_slash([
        'post_title' => "News $number",
        'post_status' => 'publish',
        'post_content' => <<<HTML
            <!-- wp:image {"id":$id,"sizeSlug":"medium"} -->
            <figure class="wp-block-image"><img src="$medium" alt="" class="wp-image-$id"/></figure>
            <!-- /wp:image -->
            <!-- wp:cover {"url":"$background","id":$images[4]} -->
            <div style="background-image:url($background)"></div>
            <!-- /wp:cover -->
            <!-- wp:file {"href":"$paper"} --><a href="$paper" download>paper</a><!-- /wp:file -->
            [gallery ids="$id,$images[4]"]
            HTML,
        'post_excerpt' => "See $medium today",
    ]), true);
    set_post_thumbnail($post, $id);
    if ($number < 3) { // the last one is written anew below, and WordPress keeps no first version
        column('wp_posts.post_content', key_of($medium), key_of($background), key_of($paper));
    }
    column('wp_posts.post_excerpt', key_of($medium));
}
// A version in between with another picture: only its revision still shows it.
wp_update_post(wp_slash(['ID' => $post, 'post_content' => '<img src="' . $url($images[5]) . '">']));
wp_update_post(wp_slash(['ID' => $post, 'post_content' => 'no picture at all']));
column('wp_posts.post_content', key_of($url($images[5])));

// What plug-ins and themes do: URLs in meta, alone, in JSON with escaped slashes, in PHP's arrays.
add_post_meta($post, 'social_image', $url($images[6]));
add_post_meta($post, 'slider', [['src' => $url($images[0]), 'text' => 'Aé "quoted"']]);
add_post_meta($post, 'builder', wp_slash(wp_json_encode(['image' => $url($images[1], 'medium')])));
column('wp_postmeta.meta_value', key_of($url($images[6])), key_of($url($images[0])));
column('wp_postmeta.meta_value', key_of($url($images[1], 'medium')));
foreach (['ada', 'ben', 'cleo'] as $number => $name) {
    $user = wp_create_user($name, 'secret', "$name@example.org");
    $upload = wp_upload_bits("avatar-$name.png", null, file_get_contents($told['faces'][$number]));
    update_user_meta($user, 'local_avatar', ['full' => $upload['url'], 96 => $upload['url']]);
    if ($name === 'cleo') {
        wp_delete_user($user); // and the picture stays
        $abandoned[] = key_of($upload['file']);
    } else {
        column('wp_usermeta.meta_value', key_of($upload['file']));
    }
}
set_theme_mod('header_image', $url($images[2]));
set_theme_mod('custom_logo', $images[3]);
update_option('widget_block', [2 => ['content' => '<img src="' . $url($images[3], 'thumbnail') . '"/>']]);
update_option('site_icon', $images[0]);
column('wp_options.option_value', key_of($url($images[2])), key_of($url($images[3], 'thumbnail')));
$term = wp_insert_term('Boats', 'category', ['description' => 'Like ' . $url($images[7])]);
add_term_meta($term['term_id'], 'cover', $url($images[8], 'thumbnail'));
column('wp_term_taxonomy.description', key_of($url($images[7])));
column('wp_termmeta.meta_value', key_of($url($images[8], 'thumbnail')));
$comment = wp_insert_comment(['comment_post_ID' => $post, 'comment_approved' => '1',
    'comment_content' => 'Look: ' . $url($images[0]), 'comment_author' => 'Reader']);
add_comment_meta($comment, 'attached', $url($images[1]));
column('wp_comments.comment_content', key_of($url($images[0])));
column('wp_commentmeta.meta_value', key_of($url($images[1])));
wp_insert_link(['link_name' => 'Friends', 'link_url' => 'https://friends.example.org',
    'link_image' => $url($images[2], 'thumbnail')]);
column('wp_links.link_image', key_of($url($images[2], 'thumbnail')));
set_transient('related', ['html' => '<img src="' . $url($images[4], 'medium') . '">'], 3600);
column('wp_options.option_value', key_of($url($images[4], 'medium')));

turn($images[1]);
foreach ([$images[10], $images[11], end($papers)] as $id) {
    lose($id);
}
wp_delete_attachment(upload($told['pictures'][2]), true); // in order: its files go with it
wp_trash_post($post);

foreach (get_posts(['post_type' => 'attachment', 'numberposts' => -1]) as $attachment) {
    foreach (files_of($attachment->ID) as $keys) {
        column('wp_postmeta.meta_value', ...$keys);
    }
    column('wp_posts.guid', key_of($attachment->guid));
}
$said = array_map(fn (array $keys): array => array_map('strval', array_keys($keys)), $holds);
file_put_contents($told['truth'], json_encode([
    'holds' => $said,
    'computed' => new stdClass(),
    'mentions' => new stdClass(),
    'abandoned' => array_values(array_unique($abandoned)),
], JSON_THROW_ON_ERROR));
