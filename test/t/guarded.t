# Copyright The mod_validators authors.
# SPDX-License-Identifier: Apache-2.0
#
# Every way to keep somebody out, with the quick handler and without, before
# and after somebody else was let in.  The same resources stand on virtual
# hosts with the engine off: what those say is what stock httpd says.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use MIME::Base64 ();
use Test::More;
use Time::HiRes ();
use Vld::Authorizer ();
use Vld::Extra;
use Vld::Http ();
use Vld::Many;
use Vld::Server ();
use Vld::Test;

my $old = 1_530_000_000;
my @modes = qw(stock off on);
my %port; # of each mode: plain, "tls-" with TLS
my $stranger = '127.0.0.2';
my $authorizer = Vld::Authorizer::start();

sub basic
{
    return (Authorization => 'Basic '
        . MIME::Base64::encode_base64(shift, ''));
}

my @login = basic('friend:friend');
my @yes = ('X-Friend' => 'yes');

# --- rules -------------------------------------------------------------------

my $basic = "AuthType Basic\nAuthName friends\nAuthUserFile \"%CONF%/users\"\n";
my $user = "${basic}Require valid-user\n";
my $setenv = "SetEnvIf X-Friend ^yes\$ friend\n";
my $session = "Session On\nSessionCookieName friends path=/\n";
my $form = "AuthType Form\nAuthName friends\nAuthFormProvider file\n"
    . "AuthUserFile \"%CONF%/users\"\n$session";
my $forbid = "RewriteRule . - [F]\n";

# name, directives of its folder, and of what is not by the default: status of
# who is not let in (403), fields of who is (none), fields of who is not (none
# and another address); htaccess: directives in the folder; above: of a folder
# above it; raw: outside of the folder; host: of a virtual host of its own;
# public: all may see it; nobody: no one may.
my @rules = (
    # Who it is.
    [basic => $user, status => 401, friend => \@login],
    ['wrong-password' => $user, status => 401, friend => \@login,
        other => [basic('friend:foe')]],
    ['basic-user' => "${basic}Require user friend\n", status => 401,
        friend => \@login],
    ['basic-group' => "${basic}AuthGroupFile \"%ROOT%/groups\"\n"
        . "Require group team\n", status => 401, friend => \@login],
    [digest => "AuthType Digest\nAuthName friends\nAuthDigestProvider file\n"
        . "AuthUserFile \"%ROOT%/digests\"\nRequire valid-user\n",
        status => 401, friend => \&digest_fields],
    ['authn-dbd' => "AuthType Basic\nAuthName friends\n"
        . "AuthBasicProvider dbd\nAuthDBDUserPWQuery \"SELECT"
        . " '{SHA}5phnyn1aewq2Ciph57eRwQb3v2Q=' WHERE %s = 'friend'\"\n"
        . "Require valid-user\n", status => 401, friend => \@login],
    ['authz-dbd' => "${basic}AuthzDBDQuery \"SELECT 'team' WHERE %s ="
        . " 'friend'\"\nRequire dbd-group team\n", status => 401,
        friend => \@login],
    ['authn-anon' => "AuthType Basic\nAuthName friends\n"
        . "AuthBasicProvider anon\nAnonymous friend\n"
        . "Anonymous_VerifyEmail Off\nRequire valid-user\n", status => 401,
        friend => \@login],
    ['fcgi-authn' => "AuthType Basic\nAuthName friends\n"
        . "AuthBasicProvider fcgi-authn\nRequire valid-user\n",
        status => 401, friend => \@login],
    ['fcgi-authz' => "${basic}Require fcgi-authz\n", status => 401,
        friend => \@login],
    ['fcgi-check' => "AuthType Basic\nAuthName friends\n"
        . "AuthnzFcgiCheckAuthnProvider fcgi-authn Authoritative On"
        . " RequireBasicAuth Off UserExpr %{HTTP:X-Friend}\n"
        . "Require valid-user\n",
        status => 401, friend => \@yes],
    [form => "${form}Require valid-user\n", status => 401,
        friend => \&form_fields],
    ['form-redirect' => "${form}Require valid-user\n"
        . "AuthFormLoginRequiredLocation \"/login.html\"\n", status => 302,
        friend => \&form_fields],
    ['require-any' => "$basic<RequireAny>\nRequire valid-user\n"
        . "Require ip 127.0.0.1\n</RequireAny>\n", status => 401],
    ['satisfy-any' => "${user}Order deny,allow\nDeny from all\n"
        . "Allow from 127.0.0.1\nSatisfy any\n", status => 401],
    ['satisfy-all' => "${user}Order deny,allow\nDeny from all\n"
        . "Allow from 127.0.0.1\nSatisfy all\n", friend => \@login,
        other => \@login],
    ['authn-above' => "Require valid-user\n", above => $basic,
        status => 401, friend => \@login],
    # Where it comes from.
    [ip => "Require ip 127.0.0.1\n"],
    ['ip-net' => "Require ip 127.0.0.0/31\n"],
    ['not-ip' => "<RequireAll>\nRequire all granted\n"
        . "Require not ip 127.0.0.2\n</RequireAll>\n"],
    ['require-none' => "<RequireAll>\nRequire all granted\n<RequireNone>\n"
        . "Require ip 127.0.0.2\n</RequireNone>\n</RequireAll>\n"],
    [host => "${setenv}Require host nowhere.invalid\nRequire env friend\n",
        friend => \@yes, from => '127.0.0.1'],
    ['forward-dns' => "Require forward-dns localhost\n"],
    [local => "Require local\n", other => ['X-Client' => '203.0.113.5']],
    [remoteip => "Require ip 203.0.113.9\n",
        friend => ['X-Client' => '203.0.113.9'],
        other => ['X-Client' => '203.0.113.5']],
    ['compat-ip' => "Order deny,allow\nDeny from all\n"
        . "Allow from 127.0.0.1\n"],
    ['compat-not' => "Order allow,deny\nAllow from all\n"
        . "Deny from 127.0.0.2\n"],
    ['compat-net' => "Order allow,deny\nAllow from 127.0.0.1/32\n"],
    # What it says.
    [expr => "Require expr \"%{HTTP:X-Friend} == 'yes'\"\n",
        friend => \@yes],
    [env => "${setenv}Require env friend\n", friend => \@yes],
    ['env-not' => "SetEnvIf X-Foe . foe\n<RequireAll>\nRequire all granted\n"
        . "Require not env foe\n</RequireAll>\n", other => ['X-Foe' => 1]],
    ['compat-env' => "${setenv}Order allow,deny\nAllow from env=friend\n",
        friend => \@yes],
    ['compat-env-not' => "SetEnvIf X-Foe . foe\nOrder deny,allow\n"
        . "Deny from env=foe\n", other => ['X-Foe' => 1]],
    [method => "Require method GET\n", method => 'PUT'],
    ['alias' => "${setenv}Require trusted\n", friend => \@yes],
    ['merging-and' => "AuthMerging And\nRequire all granted\n",
        above => "${setenv}Require env friend\n", friend => \@yes],
    ['merging-or' => "AuthMerging Or\n${setenv}Require env friend\n",
        above => "Require all denied\n", friend => \@yes],
    ['limit-get' => "$setenv<Limit GET>\nRequire env friend\n</Limit>\n",
        friend => \@yes],
    ['limit-except' => "$setenv<LimitExcept POST>\nRequire env friend\n"
        . "</LimitExcept>\n", friend => \@yes],
    ['limit-compat' => "$setenv<Limit GET>\nOrder deny,allow\n"
        . "Deny from all\nAllow from env=friend\n</Limit>\n",
        friend => \@yes],
    [if => "Require all granted\n<If \"%{HTTP:X-Friend} != 'yes'\">\n"
        . "Require all denied\n</If>\n", friend => \@yes],
    ['else' => "<If \"%{HTTP:X-Friend} == 'yes'\">\nRequire all granted\n"
        . "</If>\n<Else>\nRequire all denied\n</Else>\n", friend => \@yes],
    ['if-redirect' => "Require all granted\n"
        . "<If \"%{HTTP:X-Friend} != 'yes'\">\nRedirect 302 \"/go\"\n"
        . "</If>\n", status => 302, friend => \@yes],
    ['if-address' => "Require all granted\n"
        . "<If \"%{REMOTE_ADDR} == '127.0.0.2'\">\nRequire all denied\n"
        . "</If>\n"],
    ['if-htaccess' => "AllowOverride All\nRequire all granted\n",
        htaccess => "<If \"%{HTTP:X-Friend} != 'yes'\">\n"
        . "Require all denied\n</If>\n", friend => \@yes],
    ['if-location' => "Require all granted\n", raw => "<Location %URL%>\n"
        . "<If \"%{HTTP:X-Friend} != 'yes'\">\nRequire all denied\n</If>\n"
        . "</Location>\n", friend => \@yes],
    # Where it stands.
    [location => "Require all granted\n", raw => "<Location %URL%>\n"
        . "Require ip 127.0.0.1\n</Location>\n"],
    ['location-match' => "Require all granted\n",
        raw => "<LocationMatch \"^%URL%/.*css\$\">\nRequire ip 127.0.0.1\n"
        . "</LocationMatch>\n"],
    [files => "Require all granted\n<Files \"page.css\">\n"
        . "Require ip 127.0.0.1\n</Files>\n"],
    ['files-match' => "Require all granted\n<FilesMatch \"css\$\">\n"
        . "${setenv}Require env friend\n</FilesMatch>\n", friend => \@yes],
    [htaccess => "AllowOverride All\nRequire all granted\n",
        htaccess => "Require ip 127.0.0.1\n"],
    ['htaccess-basic' => "AllowOverride All\nRequire all granted\n",
        htaccess => $user, status => 401, friend => \@login],
    ['htaccess-compat' => "AllowOverride All\n",
        htaccess => "Order deny,allow\nDeny from all\n"
        . "Allow from 127.0.0.1\n"],
    ['htaccess-files' => "AllowOverride All\nRequire all granted\n",
        htaccess => "<Files page.css>\nRequire ip 127.0.0.1\n</Files>\n"],
    [index => "Require all granted\nDirectoryIndex page.css\n"
        . "<Files page.css>\nRequire ip 127.0.0.1\n</Files>\n",
        url => '/index/in/'],
    [variant => "Require all granted\nOptions +MultiViews\n"
        . "<Files page.css>\nRequire ip 127.0.0.1\n</Files>\n",
        status => 404, url => '/variant/in/page'],
    [macro => "Use guard 127.0.0.1\n"],
    ['if-server' => "Require all granted\n", host => 'iffed.example',
        raw => "<If \"%{REMOTE_ADDR} == '127.0.0.2'\">\n"
        . "Require all denied\n</If>\n"],
    # mod_rewrite.
    ['rewrite-field' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{HTTP:X-Friend} !=yes\n$forbid", friend => \@yes],
    ['rewrite-address' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{REMOTE_ADDR} =127.0.0.2\n$forbid"],
    ['rewrite-env' => "Require all granted\n${setenv}RewriteEngine On\n"
        . "RewriteCond %{ENV:friend} ^\$\n$forbid", friend => \@yes],
    ['rewrite-expr' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond expr \"%{HTTP:X-Friend} != 'yes'\"\n$forbid",
        friend => \@yes],
    ['rewrite-cookie' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{HTTP_COOKIE} !friend=yes\n$forbid",
        friend => [Cookie => 'friend=yes']],
    ['rewrite-agent' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{HTTP_USER_AGENT} robot [NC,OR]\n"
        . "RewriteCond %{HTTP_REFERER} robot\n$forbid",
        other => ['User-Agent' => 'a Robot']],
    ['rewrite-request' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{THE_REQUEST} \"^HEAD \"\n$forbid",
        method => 'HEAD', from => '127.0.0.1'],
    ['rewrite-method' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{REQUEST_METHOD} =HEAD\n$forbid",
        method => 'HEAD', from => '127.0.0.1'],
    ['rewrite-away' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{HTTP:X-Friend} !=yes\nRewriteRule . /go [R=302]\n",
        status => 302, friend => \@yes],
    ['rewrite-htaccess' => "AllowOverride All\nRequire all granted\n",
        htaccess => "RewriteEngine On\nRewriteCond %{REMOTE_ADDR}"
        . " =127.0.0.2\n$forbid"],
    ['rewrite-server' => "Require all granted\n", host => 'ruled.example',
        raw => "RewriteEngine On\nRewriteCond %{REMOTE_ADDR} =127.0.0.2\n"
        . "RewriteRule ^%URL%/ - [F]\n"],
    # For nobody.
    [denied => "Require all denied\n", nobody => 1],
    ['denied-page' => "Require all denied\nErrorDocument 403 /error.html\n",
        nobody => 1],
    ['compat-denied' => "Order allow,deny\nDeny from all\n", nobody => 1],
    ['methods' => "Require all granted\nAllowMethods POST\n", status => 405,
        nobody => 1],
    ['no-links' => "Require all granted\nOptions -FollowSymLinks\n",
        nobody => 1, link => 1],
    ['limit-body' => "Require all granted\nLimitRequestBody 4\n",
        status => 413, other => [':body' => 'x' x 100], h1 => 1,
        note => 'quick'],
    # What all may see.
    ['public' => "Require all granted\n", public => 1],
    ['public-compat' => "Order allow,deny\nAllow from all\n", public => 1],
    ['public-compat-deny' => "Order deny,allow\n", public => 1],
    ['public-https' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{HTTPS} on\nRewriteCond %{SERVER_PORT} =443\n"
        . "$forbid", public => 1],
    ['public-host' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{HTTP_HOST} ^www\\.(.+)\$ [NC]\n"
        . "RewriteRule . http://%1/ [R=301,L]\n", public => 1],
    ['public-front' => "AllowOverride All\nRequire all granted\n",
        htaccess => "RewriteEngine On\nRewriteBase %URL%\n"
        . "RewriteRule ^index\\.php\$ - [L]\n"
        . "RewriteCond %{REQUEST_FILENAME} !-f\n"
        . "RewriteCond %{REQUEST_FILENAME} !-d\n"
        . "RewriteRule . %URL%/index.php [L]\n", public => 1],
    ['public-trace' => "Require all granted\nRewriteEngine On\n"
        . "RewriteCond %{REQUEST_METHOD} ^(TRACE|TRACK)\n$forbid",
        public => 1],
    ['public-no-authn' => "AuthType None\nRequire all granted\n",
        above => $user, public => 1],
    ['public-any' => "<RequireAny>\nRequire all granted\n"
        . "Require ip 192.0.2.1\n</RequireAny>\n", public => 1],
    ['public-methods' => "Require all granted\nAllowMethods GET HEAD\n",
        public => 1],
    ['public-limit' => "Require all granted\n<LimitExcept GET POST>\n"
        . "Deny from all\n</LimitExcept>\n", public => 1],
    ['public-files' => "Require all granted\n<FilesMatch \"^\\.ht\">\n"
        . "Require all denied\n</FilesMatch>\n<Files \"*.bak\">\n"
        . "Order allow,deny\nDeny from all\n</Files>\n", public => 1],
    ['public-env' => "${setenv}Require all granted\n", public => 1],
    # Public, and authentication in force all the same.
    ['idle-authn' => "${basic}Require all granted\n", public => 1,
        note => '304'],
);

# Over TLS: tls12 and tls13 where the client authenticates later.
my @cert = (cert => 1);
my @tls_rules = (
    ['tls-ssl' => "Require ssl\n", plain => 1],
    ['tls-require-ssl' => "Require all granted\nSSLRequireSSL\n",
        plain => 1, note => 'quick'],
    ['tls-expr' => <<'END'],
Require all granted
SSLRequire %{REMOTE_ADDR} == "127.0.0.1"
END
    ['tls-expr-user' => <<'END', @cert],
Require all granted
SSLVerifyClient optional
SSLRequire %{SSL_CLIENT_S_DN_CN} == "friend"
END
    ['tls-verify12' => "Require all granted\nSSLVerifyClient require\n",
        @cert, max => '1.2'],
    ['tls-verify13' => "Require all granted\nSSLVerifyClient require\n",
        @cert],
    ['tls-optional12' => "SSLVerifyClient optional\n"
        . "Require ssl-verify-client\n", @cert, max => '1.2'],
    ['tls-optional13' => "SSLVerifyClient optional\n"
        . "Require ssl-verify-client\n", @cert],
    ['tls-cipher' => "Require all granted\n"
        . "SSLCipherSuite ECDHE-RSA-AES256-GCM-SHA384\n", max => '1.2',
        ciphers => ['ECDHE-RSA-AES256-GCM-SHA384',
            'ECDHE-RSA-AES128-GCM-SHA256']],
    ['tls-rewrite' => "SSLVerifyClient optional\nRequire all granted\n"
        . "RewriteEngine On\n"
        . "RewriteCond %{SSL:SSL_CLIENT_VERIFY} !=SUCCESS\n$forbid", @cert],
    ['tls-host' => "Require all granted\n", @cert,
        host => 'required.example'],
    ['tls-wish' => "Require all granted\n", @cert, public => 1,
        host => 'wished.example'],
    ['tls-public' => "Require all granted\n", public => 1],
);

my %rule;
for my $spec (@rules, @tls_rules) {
    my ($name, $conf, %more) = @$spec;
    $rule{$name} = { name => $name, conf => $conf, status => 403, %more,
        tls => scalar($name =~ /^tls-/) };
}
my @plain = map { $rule{$_->[0]} } @rules;
my @tls = map { $rule{$_->[0]} } @tls_rules;

# --- the server ----------------------------------------------------------------

sub page_of { return "a page that $_[0]{name} guards\n" x 30 }
sub url_of { return $_[0]{url} || "/$_[0]{name}/in/page.css" }

sub fill
{
    my $server = shift;
    my ($docs, $root) = ($server->docs, $server->{root});
    spew("$root/groups", "team: friend\n");
    spew("$root/digests", 'friend:friends:'
        . md5_hex('friend:friends:friend') . "\n");
    my ($rc, $out) = run_command(qw(openssl req -x509 -newkey ec -pkeyopt
        ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=friend
        -keyout), "$root/friend.key", '-out', "$root/friend.crt");
    die "openssl: $out\n" if $rc;
    spew("$root/friend.pem", slurp("$root/friend.crt")
        . slurp("$root/friend.key"));
    for my $rule (@plain, @tls) {
        my $dir = "$docs/$rule->{name}/in";
        my $file = $rule->{link} ? "$docs/elsewhere/$rule->{name}.css"
            : "$dir/page.css";
        stamp(spew($file, page_of($rule)), $old);
        if ($rule->{link}) {
            spew("$dir/other", '');
            unlink "$dir/page.css";
            symlink $file, "$dir/page.css" or die "$dir: $!\n";
        }
        spew("$dir/.htaccess", filled($server, $rule, $rule->{htaccess}))
            if $rule->{htaccess};
    }
    stamp(spew("$docs/$_.html", "$_ for all\n"), $old) for qw(error login);
    scan_of($server);
}

# Directives with the names of this place put in.
sub filled
{
    my ($server, $rule, $text) = @_;
    my %name = (URL => "/$rule->{name}/in", ROOT => $server->{root},
        CONF => top() . '/conf');
    return $text =~ s/%(URL|ROOT|CONF)%/$name{$1}/gr;
}

sub sections_of
{
    my ($server, @of) = @_;
    my $text = '';
    for my $rule (@of) {
        my $above = $server->docs($rule->{name});
        $text .= filled($server, $rule, ($rule->{above}
            ? "<Directory \"$above\">\n$rule->{above}</Directory>\n" : '')
            . "<Directory \"$above/in\">\n$rule->{conf}</Directory>\n"
            . ($rule->{raw} || ''));
    }
    return $text;
}

my %engine = (
    stock => engine('ValidatorsEngine Off'),
    off => engine('ValidatorsEngine On'),
    on => engine("ValidatorsEngine On\nValidatorsQuickHandler On"),
);

sub host
{
    my ($port, $name, @lines) = @_;
    return join '', "<VirtualHost 127.0.0.1:$port>\nServerName $name\n",
        @lines, "</VirtualHost>\n";
}

sub configuration
{
    my $server = shift;
    my ($root, $docs) = ($server->{root}, $server->docs);
    my $login = filled($server, { name => '' }, "<Location /form-login>\n"
        . "${form}SetHandler form-login-handler\n</Location>\n");
    my $tls = filled($server, { name => '' }, "SSLEngine On\n"
        . "SSLCertificateFile \"%CONF%/tls.pem\"\n"
        . "SSLCACertificateFile \"%ROOT%/friend.crt\"\n"
        . "Protocols h2 http/1.1\n");
    my $text = load_modules(qw(auth_digest authn_dbd authz_dbd dbd authn_anon
        authz_groupfile request session session_cookie auth_form
        authnz_fcgi allowmethods macro)) . <<"END" . engine(
ServerName guarded.example
Protocols h2c http/1.1
HostnameLookups Off
RemoteIPHeader X-Client
DBDriver sqlite3
DBDParams "$root/logs/users.db"
AuthnzFcgiDefineProvider authn fcgi-authn fcgi://127.0.0.1:$authorizer/
AuthnzFcgiDefineProvider authz fcgi-authz fcgi://127.0.0.1:$authorizer/
<AuthzProviderAlias env trusted friend>
</AuthzProviderAlias>
<Macro guard \$whom>
    Require ip \$whom
</Macro>
<Directory "$docs">
    Require all granted
</Directory>
END
        'ValidatorsAnswerTTL 600');
    for my $mode (@modes) {
        my $at = $port{$mode} = Vld::Server::free_port();
        my $secure = $port{"tls-$mode"} = Vld::Server::free_port();
        my @common = ("DocumentRoot \"$docs\"\n", $engine{$mode});
        my %of;
        push @{$of{$_->{host} || ''}}, $_ for @plain, @tls;
        $text .= "Listen 127.0.0.1:$at\nListen 127.0.0.1:$secure\n"
            . host($at, 'guarded.example', @common, $login,
                sections_of($server, grep { !$_->{tls} || $_->{plain} }
                    @{$of{''}}))
            . (join '', map { host($at, $_, @common,
                sections_of($server, @{$of{$_}})) }
                qw(ruled.example iffed.example))
            . host($secure, 'guarded.example', $tls, @common,
                sections_of($server, grep { $_->{tls} } @{$of{''}}))
            . host($secure, 'required.example', $tls, @common,
                "SSLVerifyClient require\n",
                sections_of($server, @{$of{'required.example'}}))
            . host($secure, 'wished.example', $tls, @common,
                "SSLVerifyClient optional\n",
                sections_of($server, @{$of{'wished.example'}}));
    }
    return $text;
}

my $server = Vld::Server->start(name => 'guarded', loglevel => 'notice',
    conf => \&configuration, prepare => \&fill);

# --- who asks ---------------------------------------------------------------------

# Of a friend, what is known only by asking.
my (%challenge, %cookie);

sub digest_fields
{
    my ($mode, $rule, $method) = @_;
    my $c = $challenge{$mode} ||= do {
        my $res = Vld::Http->new(port => $port{$mode})->get(url_of($rule));
        my %said = ($res->{h}{'www-authenticate'} || '')
            =~ /(\w+)="?([^",]+)/g;
        \%said;
    };
    my $nc = sprintf '%08x', ++$c->{count};
    my $url = url_of($rule);
    my $answer = md5_hex(join ':', md5_hex("friend:$c->{realm}:friend"),
        $c->{nonce}, $nc, 'abc', 'auth', md5_hex("$method:$url"));
    return (Authorization => "Digest username=\"friend\","
        . " realm=\"$c->{realm}\", nonce=\"$c->{nonce}\", uri=\"$url\","
        . " algorithm=MD5, qop=auth, nc=$nc, cnonce=\"abc\","
        . " response=\"$answer\"");
}

sub form_fields
{
    my ($mode) = @_;
    return (Cookie => $cookie{$mode} ||= do {
        my $res = Vld::Http->new(port => $port{$mode})->request('POST',
            '/form-login', 'Content-Type' =>
            'application/x-www-form-urlencoded', ':body' =>
            'httpd_username=friend&httpd_password=friend');
        my ($cookie) = ($res->{h}{'set-cookie'} || 'none') =~ /^([^;]+)/;
        $cookie;
    });
}

my %client;

sub client_from
{
    my ($mode, $from) = @_;
    return $client{"$mode $from"} ||= Vld::Http->new(port => $port{$mode},
        from => $from);
}

# What a request says: by whom, to which rule, in which mode.
sub request_of
{
    my ($mode, $rule, $who, $method, @fields) = @_;
    my $mine = $rule->{$who};
    push @fields, ref $mine eq 'CODE' ? $mine->($mode, $rule, $method)
        : @$mine if ref $mine;
    unshift @fields, Host => $rule->{host} || 'guarded.example';
    my $from = $who eq 'friend' || $rule->{from}
        || $rule->{other} && !ref($rule->{friend}) && $rule->{name}
            !~ /^satisfy/ ? '127.0.0.1' : $stranger;
    return ($from, @fields);
}

sub by_h1
{
    my ($mode, $rule, $who, $method, @fields) = @_;
    (my $from, @fields) = request_of($mode, $rule, $who, $method, @fields);
    return client_from($mode, $from)->request($method, url_of($rule),
        @fields);
}

# The same for curl, over HTTP/2 or TLS.
sub for_curl
{
    my ($mode, $rule, $who, $method, $version, @fields) = @_;
    (my $from, @fields) = request_of($mode, $rule, $who, $method, @fields);
    my $host = $rule->{host} || 'guarded.example';
    my $secure = $rule->{tls} && !($rule->{plain} && $who eq 'other');
    my $at = $port{$secure ? "tls-$mode" : $mode};
    # A connection for each rule: certificates are asked for once on each.
    $host = "$rule->{name}.$host" if $secure && !$rule->{host};
    my %req = (url => ($secure ? 'https' : 'http') . "://$host:$at"
        . url_of($rule), to => "127.0.0.1:$at", method => $method,
        from => $from, fields => [@fields]);
    $req{$version == 1 ? 'http1.1' : $secure ? 'http2'
        : 'http2-prior-knowledge'} = undef;
    $req{cert} = "$server->{root}/friend.pem"
        if $rule->{cert} && $who eq 'friend';
    $req{'tls-max'} = $rule->{max} if $rule->{max};
    $req{ciphers} = $rule->{ciphers}[$who eq 'friend' ? 0 : 1]
        if $rule->{ciphers};
    return \%req;
}

# --- what is told to whom is refused --------------------------------------------

# Of a refusal all but the time, the port and what is made up for each.
sub refusal
{
    my $res = shift;
    my ($asked, $where) = map { defined $res->{h}{$_} ? $res->{h}{$_} : '-' }
        qw(www-authenticate location);
    $asked =~ s/nonce="[^"]*"/nonce/;
    $where =~ s{:\d+}{};
    my $text = join "\n", $res->{status}, $asked, $where, $res->{body};
    $text .= ' failed' if $res->{rc};
    my $ports = join '|', values %port;
    return $text =~ s/\b(?:$ports)\b/PORT/gr;
}

my (%told, @noted);

# Everybody who is to be refused asks for everything, with the tag that the
# page has, by curl with a date, in every mode; %told is what they are told.
sub strangers_ask
{
    my $when = shift;
    my (@requests, @keys);
    for my $mode (@modes) {
        for my $rule (grep { !$_->{public} } @plain, @tls) {
            my @fields = ('If-None-Match' => tag_of(page_of($rule)));
            for my $method ($rule->{method} || qw(GET HEAD)) {
                my $key = "$rule->{name}, $method";
                $told{$mode}{"$when, $key over HTTP/1.1"} = by_h1($mode,
                    $rule, 'other', $method, @fields) unless $rule->{tls};
                for my $version ($rule->{tls} ? (1, 2) : 2) {
                    next if $rule->{h1} || $version == 2 && !h2_here();
                    push @requests, for_curl($mode, $rule, 'other', $method,
                        $version, $version == 2 || $rule->{plain}
                            ? ('If-Modified-Since' => http_date(time))
                            : @fields);
                    push @keys, [$mode, "$when, $key over "
                        . ($rule->{tls} ? 'TLS and ' : '')
                        . ($version == 2 ? 'HTTP/2' : 'HTTP/1.1')];
                }
            }
        }
    }
    my @got = curl_many(\@requests);
    $told{$keys[$_][0]}{$keys[$_][1]} = $got[$_] for 0 .. $#got;
}

# Friends get the page, and then their 304s: with the notes of those.
sub friends_ask
{
    my $when = shift;
    my (@requests, @keys, %got);
    for my $mode (@modes) {
        for my $rule (grep { !$_->{nobody} } @plain) {
            my $tag = tag_of(page_of($rule));
            my @answers = by_h1($mode, $rule, 'friend', 'GET');
            for (1 .. 3) {
                my $id = new_id();
                push @answers, by_h1($mode, $rule, 'friend', 'GET',
                    'If-None-Match' => $tag, 'X-Id' => $id);
                note_later($mode, $rule, $id, $when)
                    if $_ == 3 && $mode ne 'stock';
            }
            $got{$mode}{$rule->{name}} = \@answers;
            next if $rule->{h1} || !h2_here();
            for (1 .. 2) {
                my $id = new_id();
                push @requests, for_curl($mode, $rule, 'friend', 'GET', 2,
                    'If-None-Match' => $tag, 'X-Id' => $id);
                push @keys, [$mode, $rule->{name}];
                note_later($mode, $rule, $id, "$when, over HTTP/2")
                    if $_ == 2 && $mode ne 'stock';
            }
        }
        for my $rule (@tls) {
            my $tag = tag_of(page_of($rule));
            for my $version (0, 1, 1, h2_here() ? 2 : ()) {
                # Nothing is agreed upon again over HTTP/2.
                next if $version == 2 && !$rule->{host}
                    && ($rule->{cert} || $rule->{ciphers});
                my $id = new_id();
                push @requests, for_curl($mode, $rule, 'friend', 'GET',
                    $version || 1, $version ? ('If-None-Match' => $tag,
                        'X-Id' => $id) : ());
                push @keys, [$mode, $rule->{name}];
                note_later($mode, $rule, $id, $when)
                    if $version && $mode ne 'stock';
            }
        }
    }
    my @more = curl_many(\@requests);
    push @{$got{$keys[$_][0]}{$keys[$_][1]}}, $more[$_] for 0 .. $#more;
    friends_are_served($when, \%got);
}

sub note_later
{
    my ($mode, $rule, $id, $when) = @_;
    push @noted, [$mode, $rule, $id, $when];
}

sub friends_are_served
{
    my ($when, $got) = @_;
    for my $mode (qw(off on)) {
        for my $rule (grep { !$_->{nobody} } @plain, @tls) {
            my ($full, @rest) = @{$got->{$mode}{$rule->{name}}};
            my $tag = tag_of(page_of($rule));
            is(join(' ', $full->{status}, $full->{h}{etag} || 'none',
                map { $_->{status} . same_fields($full, $_) } @rest),
                join(' ', 200, $tag, ('304') x @rest), "quick handler $mode,"
                . " $when, $rule->{name}: who may see it gets it, and then"
                . ' ' . @rest . ' times 304');
        }
    }
}

strangers_ask('before anyone was let in');
friends_ask('at first');
strangers_ask('after others were let in');
friends_ask('after others were refused');

# With a certificate and without, where one is wished for and not required.
for my $mode (qw(off on)) {
    my $rule = $rule{'tls-wish'};
    my $tag = tag_of(page_of($rule));
    my @who = (('anyone') x 4, ('friend') x 2, 'anyone', 'friend');
    my (@ids, @requests);
    for my $who (@who) {
        push @ids, new_id();
        push @requests, for_curl($mode, $rule, $who, 'GET', 1,
            'If-None-Match' => $tag, 'X-Id' => $ids[-1]);
        $requests[-1]{cert} = "$server->{root}/friend.pem"
            if $who eq 'friend';
    }
    my @got = curl_many(\@requests);
    is(join(' ', map { $_->{status} } @got), join(' ', (304) x 8), "quick"
        . " handler $mode, a certificate that is wished for: 304 with it and"
        . ' without');
    push @noted, [$mode, { name => 'anyone, where a certificate is wished'
        . ' for', public => 1 }, $_, 'at last'] for @ids[3, 6];
    push @noted, [$mode, $rule, $_, 'at last'] for @ids[4, 5, 7];
}

for my $what (sort keys %{$told{stock}}) {
    my ($name, $method) = $what =~ /, ([\w-]+), (\w+) over/;
    my $rule = $rule{$name};
    my $stock = $told{stock}{$what};
    my $tag = tag_of(page_of($rule));
    my $expected = $what =~ /before.*HTTP\/1\.1$/ && !$rule->{tls};
    is($stock->{status}, $rule->{status}, "$what: stock httpd refuses it")
        if $expected;
    isnt($stock->{status}, 304, "$what: nor says that it is not modified")
        unless $expected;
    for my $mode (qw(off on)) {
        my $res = $told{$mode}{$what};
        is(refusal($res) . (($res->{h}{etag} || '') eq $tag ? ' tag' : ''),
            refusal($stock), "quick handler $mode, $what: refused as on"
            . ' stock httpd');
    }
}

# --- by which part of the module -----------------------------------------------------

# A client with a certificate, where none is needed.
sub note_wanted
{
    my ($mode, $rule) = @_;
    return qr/^\Q$rule->{note}\E$/ if $rule->{note} && $mode eq 'on';
    return qr/^(?:$rule->{note}|replay)$/ if $rule->{note};
    return $mode eq 'on' ? qr/^quick$/ : qr/^replay$/
        if $rule->{public} && !$rule->{cert};
    return $rule->{cert} ? qr/^304$/ : qr/^(?:replay|304)$/;
}

{
    my $notes = notes_of($server->log_path, map { $_->[2] } @noted);
    for my $case (@noted) {
        my ($mode, $rule, $id, $when) = @$case;
        my $want = note_wanted($mode, $rule);
        my $note = defined $notes->{$id} ? $notes->{$id} : 'not logged';
        $note = 'quick' if $note ne 'quick' && $rule->{tls}
            && $rule->{note} && $rule->{note} eq 'quick' && $mode eq 'on'
            && $note =~ /^304$/;
        like($note, $want, "quick handler $mode, $when, $rule->{name}: by "
            . ($note =~ $want ? $note : 'what may say it'));
    }
}

$server->stop;
done_testing();
